"""The audit on one page: what there is, what is wrong with it, and what runs out when."""

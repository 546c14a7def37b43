"""Reports for people: the list of tokens, and the audit report with totals, violations and upcoming expiries."""

"""Policies: the requirements for tokens, and which tokens and users violate them."""

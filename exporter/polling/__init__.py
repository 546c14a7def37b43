"""When to ask, how fast, and one pass over the users."""

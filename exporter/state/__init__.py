"""The state of users and tokens, in memory and on disk."""

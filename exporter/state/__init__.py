"""What is known about users and tokens, in memory and on disk."""

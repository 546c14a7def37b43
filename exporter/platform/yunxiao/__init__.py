"""The platform's API: the client, its answers as values, and a simulator."""

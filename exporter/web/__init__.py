"""The HTTP side: routes, the landing page, listening sockets."""

"""The HTTP side: routes, pages, API, listening sockets."""

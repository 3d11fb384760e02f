"""HTTP/1.1 on an event loop: the protocol, and what it takes from a WSGI application."""

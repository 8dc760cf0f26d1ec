"""The HTTP side of the server: the v1 API as a WSGI application, one file per resource."""

"""REST: each handler parses the request, calls one service function and serializes the answer."""

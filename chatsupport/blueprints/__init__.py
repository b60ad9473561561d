"""REST: each handler parses, calls one service function and serializes."""

"""Socket.IO: each handler parses, calls the same service function as REST, and acknowledges."""

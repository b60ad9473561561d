"""Socket.IO: each handler parses the event, calls the same service function as REST, and acknowledges."""

"""Connect to MongoDB, or run a private one."""

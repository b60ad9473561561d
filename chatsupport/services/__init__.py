"""What the system does. A service writes and broadcasts together; it knows no request, room or socket id."""

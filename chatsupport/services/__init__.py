"""The business logic. A service writes, then reports what happened. It knows no request, room or socket id."""

"""Running Chat Support as several processes."""

"""Webhooks: the events of the feed, sent to addresses of others."""

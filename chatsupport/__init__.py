"""Chat Support: a backend for live customer chat."""

__version__ = "0.1.0"

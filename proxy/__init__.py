"""An HTTP front end for applications behind the uwsgi protocol."""

__version__ = "0.1.0"

"""Reload, crash and overload of real uWSGI while clients keep asking: who notices, and why."""

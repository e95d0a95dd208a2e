"""Stands: what is compared, started and stopped, with its command lines."""

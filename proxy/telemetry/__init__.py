"""Sinks: what becomes of the record of a finished exchange. Imported by `proxy.server` only."""

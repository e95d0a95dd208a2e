"""Bytes in, values out: HTTP/1 on the client's side, uwsgi on the backend's.

Nothing in this package does I/O, reads a clock or knows about `proxy`. Whatever a function needs to
know (limits, addresses, times) arrives as an argument.
"""

"""A client for uwsgi sockets: for code, and as the commands `curl` and `ping`.

It says what this front end would say, since it is built of the same parts: the grammar and the
variables of `protocol`, and the sockets, errors and reasons of `proxy.upstream`.
"""

"""Tests of HTTP/1 towards the client: the same bytes, however cut, mean the same."""

"""Tests of the pure half: bytes in, values out, no socket anywhere."""

"""Tests of the example applications without the proxy."""

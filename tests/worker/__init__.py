"""Tests of the embedded worker."""

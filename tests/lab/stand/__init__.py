"""Tests of the stands."""

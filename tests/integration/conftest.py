"""The shared fixtures."""

from tests.integration.fixtures import backend, engine, family, frontend

__all__ = ["backend", "engine", "family", "frontend"]

"""The shared fixtures."""

from tests.integration.fixtures import backend, engine, family, frontend, no_questions

__all__ = ["backend", "engine", "family", "frontend", "no_questions"]

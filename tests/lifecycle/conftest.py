"""What these tests share."""

from tests.integration.fixtures import backend

__all__ = ["backend"]

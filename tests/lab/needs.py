"""Marks for tests that need a real nginx, and what is installed here."""

import os
from functools import cache

import pytest

from proxy.lab.processes import find
from proxy.lab.stand.setup import Installed

needs_nginx = [
    pytest.mark.nginx,
    pytest.mark.skipif(
        find("nginx") is None and os.environ.get("REQUIRE_NGINX") != "1",
        reason="nginx is not installed",
    ),
]


@cache
def installed() -> Installed:
    """Look once."""
    return Installed.look()

"""examples/django_tests, as its readers would run it."""

import os
import re
import subprocess
import sys

from tests.servers import REPOSITORY

PASSED = 11


def test_its_suite_passes() -> None:
    """With nginx as a part of it, where it has to be there."""
    required = os.environ.get("REQUIRE_NGINX") == "1"
    more = ["--uwsgi-require-topologies"] if required else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more],
        cwd=REPOSITORY / "examples" / "django_tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= PASSED

"""What the tests of the worker share."""

from pathlib import Path

import pytest


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    """A directory with applications that work and ones that do not."""
    sources = {
        "good": "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '4')])\n    return [b'good']\n",
        "broken": "import sys\n\ndef helper():\n    return 1 / 0\n\nhelper()\n",
        "needs": "import a_package_that_nobody_has\n",
        "leaves": "raise SystemExit('configuration is missing')\n",
        "garbled": "def app(:\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("class Site:\n    def app(self, e, s): ...\nsite = Site()\n")
    return tmp_path

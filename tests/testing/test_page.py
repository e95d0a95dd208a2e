"""docs/testing.md: what it shows runs."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from proxy import testing
from proxy.testing import FakeBackend, factory, plugin, respond

__all__ = ["factory"]  # imported here, or each suite would import it anew

pytest_plugins = ("pytester",)

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
BLOCKS = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE)
TESTS = [block for block in BLOCKS if "def test_" in block]
PROGRAMS = [block for block in BLOCKS if "def test_" not in block]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(PROGRAMS) == 2
    with FakeBackend(respond(body=b"hello")) as backend:
        names: dict[str, Any] = {}
        exec(program.replace("unix:/run/app.sock", str(backend.address)), names)
        if "main" in names:
            asyncio.run(names["main"]())
            assert capsys.readouterr().out.count("http://127.0.0.1:") == 2
        else:
            assert asyncio.run(names["is_well"](str(backend.address)))
            assert not asyncio.run(names["is_well"]("unix:/nonexistent"))
            assert "socket_missing" in capsys.readouterr().out


def test_tests(pytester: pytest.Pytester) -> None:
    (settings,) = re.findall(r"(?ms)^```ini\n(.*?)^```", PAGE)
    (pytester.path / "mysite").mkdir()
    (pytester.path / "mysite" / "wsgi.py").write_text(
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/crash':\n"
        "        raise LookupError\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    pytester.makeini(settings)
    pytester.makepyfile(**{f"test_{number}": text for number, text in enumerate(TESTS)})
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=5)


def test_it_names_everything() -> None:
    """All fixtures, and all scripts."""
    fixtures = re.findall(r"(?m)^\| `(\w+)` \|", PAGE)
    own = [name for name in vars(plugin) if f"`{name}`" in PAGE]
    assert {"uwsgi_frontend", "frontend_factory", "fake_backend", "exchanges", "topology"} <= set(
        own
    )
    assert set(own) <= set(fixtures)
    lower = [name for name in testing.__all__ if name.islower()]
    assert [name for name in lower if f"`{name}(" not in PAGE] == []

"""Rules 6.2 to 6.22 together: upstreams and requests that nobody has thought of.

Left out are http_* conditions, where the proxy does better on purpose (6.7), and what takes time.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.differential.upstreams import Case, Running, ask_nginx, ask_proxy, serving

pytestmark = pytest.mark.nginx

KINDS = ("ok", "ok", "closes", "half-head", "garbage", "refused", "503", "404", "short")
PARAMETERS = ("", "weight=2", "weight=5", "max_fails=0", "max_fails=2", "max_fails=3 weight=4")
ROLES = ("", "", "", "", " backup", " down")
METHODS = ("GET", "GET", "GET", "POST", "PUT")
CONDITIONS = (
    "error timeout",
    "error timeout",
    "error timeout invalid_header",
    "error invalid_header non_idempotent",
    "invalid_header",
    "off",
)


def draw(random: Random) -> Case:
    """Make up a case."""
    backends = [
        f"{random.choice(KINDS)} {random.choice(PARAMETERS)}{random.choice(ROLES)}"
        for _ in range(random.randint(1, 4))
    ]
    if all("backup" in backend for backend in backends):  # nginx does not start with that
        backends.append("ok")
    methods = tuple(random.choice(METHODS) for _ in range(12))
    return Case(tuple(backends), (), methods, random.choice(CONDITIONS))


_RANDOM = Random(6)
CASES = tuple(draw(_RANDOM) for _ in range(150))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return nginx with all cases."""
    with serving(CASES, tmp_path_factory.mktemp("n")) as started:
        yield started


@pytest.mark.parametrize("number", range(len(CASES)))
def test_any_upstream(running: Running, number: int, tmp_path: Path) -> None:
    case = CASES[number]
    assert ask_proxy(case, tmp_path / "log") == ask_nginx(running, case), str(case)

"""What can be imported from `proxy` itself, and what that costs."""

import subprocess
import sys

import pytest

import proxy

HEAVY = {"uvloop", "httptools", "h11", "prometheus_client", "proxy.server", "proxy.client"}


@pytest.mark.parametrize("name", proxy.__all__)
def test_public_names_are_there(name: str) -> None:
    value = getattr(proxy, name)
    assert name == getattr(value, "__name__", "__version__")


def test_other_names_are_not() -> None:
    assert set(proxy._HOMES) | {"__version__"} == set(proxy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Frontent'"):
        proxy.Frontent  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "heavy"), [("import proxy", HEAVY | {"asyncio"}), ("import proxy.cli", HEAVY)]
)
def test_importing_is_cheap(statement: str, heavy: set[str]) -> None:
    code = f"import sys; {statement}; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

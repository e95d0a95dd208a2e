import subprocess
import sys

import pytest

from proxy import testing
from proxy.testing import public


def test_everything_can_be_imported_from_the_package() -> None:
    assert testing.__all__ is public.__all__
    for name in public.__all__:
        assert getattr(testing, name) is getattr(public, name)
    with pytest.raises(AttributeError, match="FakeBackent"):
        testing.FakeBackent  # noqa: B018
    with pytest.raises(AttributeError, match="__wrapped__"):
        testing.__wrapped__  # noqa: B018


def test_the_package_itself_loads_none_of_it() -> None:
    code = "import sys, proxy.testing; print([name for name in sys.modules if 'proxy' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['proxy', 'proxy.testing']\n"

"""What tests of TLS share."""

from pathlib import Path

import pytest

from tests.tls.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One of its own, whose files are in the test's directory."""
    return Authority(tmp_path)

"""What `from proxy import lab` offers, without loading it before it is used."""

import subprocess
import sys

import pytest

from proxy import lab
from proxy.lab.comparison import compare
from proxy.lab.processes import ROOT


def test_compare_is_there_when_it_is_asked_for() -> None:
    assert lab.compare is compare
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lab.nonsense


def test_a_generator_does_not_load_the_rest() -> None:
    code = "import sys, proxy.lab.load.__main__; print('proxy.lab.runner' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

"""What is shown can be read and repeated, and names no path of this machine."""

import sys
from pathlib import Path

from proxy.lab.processes import ROOT
from proxy.lab.stand.shown import hide, shown


def test_a_command_line() -> None:
    argv = [sys.executable, "-m", "proxy", "unix:/tmp/run/x/app.sock max_conns=2", f"{ROOT}/app.py"]
    assert shown(argv, Path("/tmp/run/x")) == (
        "python -m proxy 'unix:$DIR/x/app.sock max_conns=2' ./app.py"
    )


def test_a_configuration() -> None:
    assert hide("pid /tmp/run/x/nginx.pid;", Path("/tmp/run/x")) == "pid $DIR/x/nginx.pid;"

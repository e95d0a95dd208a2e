"""Command lines as people can read and repeat them, without the paths of this machine."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from proxy.lab.processes import ROOT


def shown(argv: Sequence[str], place: Path) -> str:
    """Return a command line to show; the folder of the run, which holds `place`, is $DIR."""
    words = ["python" if word == sys.executable else word for word in argv]
    quoted = [shlex.quote(word) if " " in word else word for word in words]
    return hide(" ".join(quoted), place)


def hide(text: str, place: Path) -> str:
    """Write the folder of the run, which holds `place`, as $DIR, and our own as a dot."""
    return text.replace(str(place.parent), "$DIR").replace(str(ROOT), ".")

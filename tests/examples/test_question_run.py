"""The whole of examples/question, as a person runs it: installed, measured for a moment, written.

Each application is installed with its pinned versions, from the package index, so this has a mark
and a CI step of its own.
"""

import subprocess
from pathlib import Path

import pytest

from examples.question.evidence import APPS, Evidence
from tests.lab.needs import needs_nginx
from tests.servers import REPOSITORY

pytestmark = [pytest.mark.question, pytest.mark.timeout(1200), *needs_nginx]
HERE = REPOSITORY / "examples" / "question"
TOPOLOGIES = ("uwsgi-direct", "nginx-uwsgi", "proxy-uwsgi")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reports of this run go; what is committed stays as it is."""
    return tmp_path_factory.mktemp("reports")


def make(*words: str) -> str:
    done = subprocess.run(
        ["make", "-C", str(HERE), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", APPS)
def test_an_application_is_measured(name: str, reports: Path) -> None:
    make(name, "QUICK=1", f"REPORTS={reports}")
    found = Evidence.read(name, reports)
    assert [each.reason for each in found.report.topologies] == [""] * (len(TOPOLOGIES) + 1)
    for topology in TOPOLOGIES:
        for scenario in ("hop", "saturation"):
            row = found.report.row(scenario, topology)
            assert row is not None
            assert row.asked > 0
            assert row.failed == 0, row.outcomes
    assert found.verdicts["overall"]["word"] == "front-end"
    assert found.verdicts["slow-uploads"]["word"] == "front-end"
    assert all(point["per_s"] and not point["failed"] for point in found.sweep["points"])


def test_the_page_can_be_made_from_it(reports: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for name in ("network", "kernel"):
        make(name, "QUICK=1", f"REPORTS={reports}")
    make("answers", f"REPORTS={reports}", f"PAGE={page}")
    text = page.read_text("utf-8")
    assert "**Put a front end before uWSGI**" in text
    assert "of quick runs" in text

"""docs/nginx-or-direct.md says what the reports say, and would say otherwise of others."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples.question import answers, evidence
from examples.question.answers import Measured, grouped, worded
from examples.question.evidence import APPS, NETWORK, REPORTS, Claim, Evidence
from proxy.lab.report.results import Report, Row
from proxy.lab.report.verdicts import verdicts
from proxy.lab.stand.topologies import TOPOLOGIES
from tests.lab.made import report, row, steady
from tests.lab.sweep.test_runner import made as made_sweep

DOCS = answers.PAGE.parent
LINK = re.compile(r'\]\(([^)\s]+) "([^"]+)"\)')
LARGEST_REPORT = 1_000_000
KERNEL = evidence.read_kernel()
TLS_ROWS = ("uwsgi-direct", "uwsgi-http", "nginx-uwsgi", "proxy-uwsgi", "gunicorn-direct")


def test_the_page_is_what_the_reports_say() -> None:
    assert answers.PAGE.read_text("utf-8") == answers.read(), "run: make answers"


def test_every_number_leads_to_its_row() -> None:
    text = answers.PAGE.read_text("utf-8")
    links = LINK.findall(text)
    assert len(links) > 100
    names: dict[str, set[str]] = {}
    for link, key in links:
        path, _, name = link.partition("#")
        file = DOCS / path
        if name:
            names.setdefault(path, set(re.findall(r' id="([^"]+)"', file.read_text("utf-8"))))
            assert name in names[path], link
        assert look_up(key), key


def look_up(key: str) -> bool:
    """Whether the JSON has something at `flask.json: scenarios/hop/rows/nginx-uwsgi/...`."""
    file, path = key.partition(", against ")[0].split(": ")
    found: Any = json.loads((REPORTS / file).read_text("utf-8"))
    for step in path.split("/"):
        found = _step(found, step)
        if found is None:
            return False
    return True


def _step(found: Any, step: str) -> Any:
    if isinstance(found, dict):
        return found.get(step)
    if step == "*":
        return found[0] if found else None
    marks = ("name", "topology", "key", "processes")
    named = [each for each in found if step in [str(each.get(mark)) for mark in marks]]
    return named[0] if named else found[int(step)] if step.isdigit() else None


def test_the_template_has_no_numbers_of_its_own() -> None:
    """Whatever is a number comes from a report."""
    text = answers.TEMPLATE.read_text("utf-8")
    text = re.sub(r"(?s)\{\{.*?\}\}|\{%.*?%\}|`[^`]*`|HTTP/2|p99|\.j2", "", text)
    assert re.findall(r"(?m)^.*\d.*$", text) == []


@pytest.mark.parametrize("path", sorted(REPORTS.iterdir()), ids=lambda path: path.name)
def test_reports_are_small_and_name_no_path_of_the_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text) < LARGEST_REPORT
    assert not re.search(r"(?<!\w)/(home|root|work|tmp|srv|var|mnt|opt)/", text)


def test_the_reports_are_of_the_same_run_for_all() -> None:
    found = [Evidence.read(name).report for name in APPS]
    assert not any(each.partial for each in found)
    for name in ("setup", "versions", "rounds", "seed", "quick"):
        said = [getattr(each, name) for each in found]
        assert said[0] == said[1] == said[2], name
    assert len({tuple(each.name for each in one.topologies) for one in found}) == 1


# Reports of every kind: nothing that can be measured leaves the page without words.

LOADS = ("hop", "kept", "saturation", "rate_50", "rate_80")
OTHERS = ("slow_uploads", "slow_downloads", "burst", "kill", "reload")


def load_row(name: str, times: float, noise: float) -> Row:
    values = {
        value: [each * times * (1 + noise * (at % 3 - 1)) for at, each in enumerate(steady(100.0))]
        for value in ("p50_us", "p99_us", "max_us", "front_us", "app_us", "cpu_us", "per_s")
    }
    return row(name, {**values, "generator_cores": steady(0.1)})


def made(times: float, noise: float, lost_alone: int, lost_behind: int) -> Report:
    """Return a report in which a topology costs `times` what the one before it does."""
    names = [each.name for each in TOPOLOGIES]
    loads = {
        key: [load_row(name, times**at, noise) for at, name in enumerate(names)] for key in LOADS
    }
    lost = {name: lost_behind if "-uwsgi" in name else lost_alone for name in names}
    others = {
        key: [row(name, {}, {"ok": 100 - lost[name], "timeout": lost[name]}) for name in names]
        for key in OTHERS
    }
    probes = [row(name, probed(lost[name])) for name in names]
    return with_setup(report(**loads, **others, probes=probes))


def with_setup(one: Report) -> Report:
    one.setup["listen queue"] = "100"
    return one


def probed(lost: int) -> dict[str, list[float]]:
    seen = {"asked": 3.0, "ok": 0.0 if lost else 3.0, "answered": 0.0 if lost else 3.0}
    return {f"{key}:{name}": [n] for key in answers.PROBES for name, n in seen.items()}


def evidence_of(name: str, one: Report, workers: Sequence[float] = ()) -> Evidence:
    """Return it with a sweep over one, two, four and eight workers."""
    said = {each.key: each.to_json() for each in verdicts(one)}
    by_number = dict(zip(("w1", "w2", "w4", "w8"), workers, strict=False))
    return Evidence(name, one, said, json.loads(made_sweep(2, **by_number).to_json()))


KINDS = {
    "more": evidence_of("flask", made(1.3, 0.0, 100, 0), (100, 150, 300, 305)),
    "less": evidence_of("django", made(0.7, 0.0, 0, 100), (100, 101, 80, 70)),
    "alike": evidence_of("moin", made(1.0, 0.0, 0, 0), (100, 200, 390, 800)),
    "unclear": evidence_of("flask", made(1.0, 0.5, 100, 100), (100, 200, 390, 400)),
    "nothing": evidence_of("moin", with_setup(report())),
}


def network(word: str = "") -> Evidence:
    """Return a report about socket buffers with this answer."""
    names = [f"{name}{size}" for name in ("nginx-uwsgi", "proxy-uwsgi") for size in SIZES]
    loads = {
        key: [load_row(name, 1.1**at, 0.0) for at, name in enumerate(names)]
        for key in ("buffers_64k", "buffers_1m", "buffers_upload")
    }
    secure = [f"{name}+{kind}" for name in ("nginx-uwsgi", "proxy-uwsgi") for kind in KINDS_OF_TLS]
    loads["tls_new"] = [load_row(name, 1.1**at, 0.0) for at, name in enumerate(secure)]
    held = [row(name, {"held_us": steady(2e5)}) for name in names]
    said = {"buffers": {"word": word}, "tls": {"word": "even"}} if word else {}
    return Evidence(NETWORK, report(**loads, buffers_held=held), said, {})


SIZES = ("", "+16k", "+1m")
KINDS_OF_TLS = ("plain", "tls")
NO_NETWORK = Evidence(NETWORK, report(), {}, {})


def page(apps: Sequence[Evidence], kernel: dict[str, Any] = KERNEL) -> str:
    return answers.page(apps, network("kernel"), kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_measured_has_words(kind: str) -> None:
    same = [replace(KINDS[kind], name=name) for name in APPS]
    text = page(same)
    assert "{{" not in text
    assert "None" not in text


def test_words_follow_the_numbers_of_each_application() -> None:
    three = [
        replace(KINDS[k], name=n) for k, n in zip(("more", "less", "alike"), APPS, strict=True)
    ]
    text = " ".join(page(three).split())
    assert "It depends: **put a front end before it** ([Flask](" in text
    assert re.search(r"nginx costs CPU time \(Flask \[\+\d+ us", text)
    assert re.search(r"With nginx less CPU time was used \(Django \[-\d+ us", text)
    assert re.search(r"TCP cost less CPU, which is unusual: measure again \(Django \[-", text)
    assert re.search(r"more than cores \(\w+ \[", text)


def test_when_all_agree_the_first_sentence_is_short() -> None:
    for kind, words in (
        ("more", "**Put a front end before uWSGI**"),
        ("less", "**uWSGI alone is enough** for what was measured ([Flask]("),
    ):
        same = [replace(KINDS[kind], name=name) for name in APPS]
        assert words in page(same).partition("- **The price**")[0]


def test_kernels_are_of_more_than_one_kind() -> None:
    same = [replace(KINDS["alike"], name=name) for name in APPS]
    other = json.loads(json.dumps(KERNEL))
    for one in other["many"]:
        one.update(failed=3, reached=True)
    other["limits"]["tcp_tw_reuse"] = 0
    other["queue"][0]["refused at once"] = 0
    text = page(same, other)
    assert "ports do run out" in text
    assert "taken again by nobody" in text
    assert "did not tell full queues" in text
    other["many"][0]["reached"] = False
    assert "were not enough to use up all ports" in page(same, other)


def test_socket_buffers_have_words_for_each_answer() -> None:
    same = [replace(KINDS["nothing"], name=name) for name in APPS]
    said = {
        "tune": "of your own did better",
        "kernel": "leave them alone (",
        "alike": "anything that",
    }
    for word, words in {**said, "unclear": "cannot exclude one"}.items():
        assert words in answers.page(same, network(word), KERNEL)
    text = answers.page(same, NO_NETWORK, KERNEL)
    assert "Not measured." in text
    assert "Not measured here." in text
    assert "How long a slow client" not in text


@pytest.mark.parametrize("word", ["even", "costs", "unclear", "alike", *TLS_ROWS])
def test_tls_has_words_for_whoever_does_it(word: str) -> None:
    one = replace(network("kernel"), verdicts={"tls": {"word": word}})
    text = answers.page([replace(KINDS["nothing"], name=name) for name in APPS], one, KERNEL)
    assert "| CPU, a new connection | - | - | [+10 us" in text.replace("+11 us", "+10 us")


def test_an_outcome_that_nobody_foresaw_is_an_error() -> None:
    claims: dict[str, Claim | None] = {"Flask": Claim("+1 %", "sideways", "flask.html#x", "y")}
    with pytest.raises(answers.Unwritten, match="no wording for"):
        grouped(Measured(claims), more="more", less="less")
    with pytest.raises(answers.Unwritten, match="no wording for 'sideways'"):
        worded(claims["Flask"], more="more", less="less")


def test_a_report_that_is_missing_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["answers", "--reports", str(tmp_path)])
    assert answers.main() == 1
    assert "flask.json" in capsys.readouterr().err

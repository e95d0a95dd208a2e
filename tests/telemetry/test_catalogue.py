"""The table of metrics: names and types by Prometheus's conventions, and each with its question."""

import re

import pytest

from proxy.telemetry.catalogue import OWN, PREFIX, Entry

UNITS = ("_seconds", "_bytes")

each = pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.shown)


@each
def test_names_follow_the_conventions(entry: Entry) -> None:
    assert re.fullmatch(PREFIX + r"[a-z]+(_[a-z]+)*", entry.name)
    assert not entry.name.endswith(("_total", "_count", "_sum", "_bucket", "_info", "_created"))
    assert entry.shown.endswith("_total") == (entry.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|kb|percent|ratio)\b", entry.name)
    if entry.kind == "histogram":
        assert entry.name.endswith(UNITS)


@each
def test_each_says_what_it_is_and_what_it_answers(entry: Entry) -> None:
    assert entry.text
    assert not entry.text.endswith(".")
    assert "?" in entry.question or "number to scale by" in entry.question
    assert "\n" not in entry.text + entry.question


@each
def test_no_label_is_of_a_client_s_choice(entry: Entry) -> None:
    known = (
        "method code code_class state phase reason blame upstream backend result what event worker"
    )
    assert set(entry.labels) <= set(
        (known + " certificate version python loop parser compiled").split()
    )


@each
def test_families_begin_empty(entry: Entry) -> None:
    family = entry.family()
    assert family.name == entry.name
    assert family.type == entry.kind
    assert family.documentation == entry.text
    assert family.samples == []


def test_no_name_stands_twice() -> None:
    assert len({entry.name for entry in OWN}) == len(OWN)

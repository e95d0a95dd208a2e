"""Plots are well-formed, stay inside their frame, and say what they show."""

import re
from xml.etree import ElementTree

from proxy.lab.report.plots import Bar, Curve, Point, bars, curves, fitted, stacked


def numbers(svg: str, attribute: str) -> list[float]:
    return [float(each) for each in re.findall(rf' {attribute}="(-?[\d.]+)"', svg)]


def parsed(svg: str) -> None:
    ElementTree.fromstring(f"<div>{svg}</div>")


def test_bars() -> None:
    svg = bars([Bar("a <b>", "proxy", 10, 5, 12, "10/s"), Bar("c", "nginx", 0, 0, 0, "none")], "t")
    parsed(svg)
    assert "a &lt;b&gt;" in svg
    widths = numbers(svg, "width")
    assert widths[0] > 250
    assert widths[1] == 1.5  # nothing is still seen
    assert max(numbers(svg, "x")) < 800


def test_stacked() -> None:
    svg = stacked([("a", [("proxy", 30.0), ("app", 70.0)]), ("b", [("app", 50.0)])], "t")
    parsed(svg)
    assert "30 + 70" in svg
    assert len(numbers(svg, "width")) == 3


def test_curves() -> None:
    points = [(0.0, 100.0), (50.0, 200.0), (99.0, 9000.0), (100.0, 20_000.0)]
    rows = [Curve("one", "proxy", points), Curve("two", "proxy", points)]
    svg = curves(rows, "t")
    parsed(svg)
    assert 'stroke-dasharray=""' in svg
    assert 'stroke-dasharray="7 4"' in svg
    assert "100 us" in svg
    assert "99.9 %" in svg
    assert curves([Curve("none", "proxy", [(50.0, 0.0)])], "t") == ""


def test_fitted() -> None:
    svg = fitted([Point(1, 100, 90, 110), Point(2, 180, 170, 190)], [(1, 100), (4, 300)], "t")
    parsed(svg)
    assert svg.count("<circle") == 2
    assert all(0 <= y <= 260 for y in numbers(svg, "cy"))

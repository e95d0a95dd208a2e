"""Plots as inline SVG: bars with their spread, stacked bars, distributions of latency.

Pure: numbers in, markup out. Colours are classes that the page defines for light and dark.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH = 800
_LABEL = 290
_ROW = 30
_BAR = 16
_VALUE = 150


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a value, from the lowest to the highest that was seen."""

    label: str
    group: str
    """Class of its colour."""
    value: float
    low: float
    high: float
    text: str
    """What is written behind it."""


def bars(rows: Sequence[Bar], title: str) -> str:
    """Return horizontal bars from zero, with a line from the lowest to the highest round."""
    most = max((max(row.value, row.high) for row in rows), default=0.0) or 1.0
    room = _WIDTH - _LABEL - _VALUE
    parts = []
    for at, row in enumerate(rows):
        middle = at * _ROW + _ROW / 2
        width = room * row.value / most
        parts.append(_text(_LABEL - 10, middle + 4, row.label, "label", "end"))
        parts.append(_rect(_LABEL, middle - _BAR / 2, max(width, 1.5), f"bar {row.group}"))
        low, high = (_LABEL + room * each / most for each in (row.low, row.high))
        if high - low > 1:
            parts.append(
                f'<path class="spread" d="M{low:.1f} {middle:.1f}H{high:.1f}'
                f'M{low:.1f} {middle - 4:.1f}v8M{high:.1f} {middle - 4:.1f}v8"/>'
            )
        parts.append(_text(max(_LABEL + width, high) + 8, middle + 4, row.text, "value"))
    return _svg(parts, len(rows) * _ROW + 4, title)


def stacked(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], title: str) -> str:
    """Return bars of several parts.

    Args:
        rows: a label, and its parts as (class of the colour, value).
    """
    most = max((sum(value for _, value in parts) for _, parts in rows), default=0.0) or 1.0
    room = _WIDTH - _LABEL - _VALUE
    drawn = []
    for at, (label, parts) in enumerate(rows):
        middle, left = at * _ROW + _ROW / 2, float(_LABEL)
        drawn.append(_text(_LABEL - 10, middle + 4, label, "label", "end"))
        for group, value in parts:
            width = room * value / most
            if width > 0:
                drawn.append(_rect(left, middle - _BAR / 2, max(width - 1, 0.5), f"bar {group}"))
            left += width
        text = " + ".join(f"{value:,.0f}" for _, value in parts if value)
        drawn.append(_text(left + 8, middle + 4, text, "value"))
    return _svg(drawn, len(rows) * _ROW + 4, title)


@dataclass(frozen=True, slots=True)
class Curve:
    """One distribution of latency."""

    label: str
    group: str
    points: Sequence[tuple[float, float]]
    """(per cent of the requests, microseconds), rising."""


_HEIGHT = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 12, 34
_TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
_FULL = 99.995
"""Where 100 % is drawn; on this axis it is infinitely far to the right."""


def curves(rows: Sequence[Curve], title: str) -> str:
    """Return distributions: to the right the rarer, upwards the slower, both logarithmic."""
    values = [us for row in rows for _, us in row.points if us > 0]
    if not values:
        return ""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    parts = []
    for power in range(low, high + 1):
        y = _y(10.0**power, low, high)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, y + 4, _duration(10.0**power), "tick", "end"))
    for tick in _TICKS:
        x = _x(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{tick:g} %", "tick", "middle"))
    for at, row in enumerate(rows):
        line = "L".join(
            f"{_x(percent):.1f} {_y(us, low, high):.1f}" for percent, us in row.points if us > 0
        )
        dash = ("", "7 4", "2 3", "9 3 2 3")[sum(r.group == row.group for r in rows[:at]) % 4]
        parts.append(
            f'<path class="curve {row.group}" stroke-dasharray="{dash}" d="M{line}">'
            f"<title>{html.escape(row.label)}</title></path>"
        )
    return _svg(parts, _HEIGHT, title) + _legend(rows)


@dataclass(frozen=True, slots=True)
class Point:
    """One measured point of a curve, with its spread."""

    x: float
    y: float
    low: float
    high: float


def fitted(points: Sequence[Point], line: Sequence[tuple[float, float]], title: str) -> str:
    """Return measured points with a fitted line, from zero."""
    right = max([p.x for p in points] + [x for x, _ in line], default=1.0)
    most = max([p.high for p in points] + [y for _, y in line], default=1.0) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + x / right * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / most * (_HEIGHT - _BOTTOM - _TOP),
        )

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = at(0, most * share)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{most * share:,.0f}", "tick", "end"))
    if line:
        drawn = "L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in line)
        parts.append(f'<path class="curve proxy" d="M{drawn}"/>')
    for point in points:
        x, y = at(point.x, point.y)
        low, high = at(0, point.low)[1], at(0, point.high)[1]
        parts.append(f'<path class="spread" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        parts.append(f'<circle class="dot proxy" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{point.x:g}", "tick", "middle"))
    return _svg(parts, _HEIGHT, title)


def _x(percent: float) -> float:
    share = math.log10(100 / (100 - min(percent, _FULL))) / math.log10(100 / (100 - _FULL))
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(us: float, low: int, high: int) -> float:
    share = (math.log10(us) - low) / (high - low)
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _duration(us: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us:g} us"


def _legend(rows: Sequence[Curve]) -> str:
    seen: dict[str, int] = {}
    items = []
    for row in rows:
        at = seen[row.group] = seen.get(row.group, -1) + 1
        style = ("solid", "dashed", "dotted", "double")[at % 4]
        items.append(
            f'<li><i class="key {row.group}" style="border-top-style:{style}"></i>'
            f"{html.escape(row.label)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _rect(x: float, y: float, width: float, group: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}"'
    return f'<rect class="{group}" {place} rx="2"/>'


def _text(x: float, y: float, text: str, group: str, anchor: str = "start") -> str:
    return (
        f'<text class="{group}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    name = html.escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(parts)}</svg>"
    )

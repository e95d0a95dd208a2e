"""Sizes and durations: what is read, what is refused, and that each is read back as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import (
    MAX_DURATION_S,
    MAX_SIZE_BYTES,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1", 1),
        ("65535", 65535),
        ("0k", 0),
        ("64k", 65536),
        ("64K", 65536),
        ("1m", 1 << 20),
        ("1M", 1 << 20),
        ("2g", 2 << 30),
        ("007", 7),
        (" 8k\n", 8192),
        (str(MAX_SIZE_BYTES), MAX_SIZE_BYTES),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a size; write whole bytes (65536), or a number with k, m or g (64k, 1m, 2g)"),
        ("k", "not a size"),
        ("1.5m", "not a size"),
        ("1 m", "not a size"),
        ("1e6", "not a size"),
        ("1_000", "not a size"),
        ("0x10", "not a size"),
        ("+1", "not a size"),
        ("٣", "not a size"),
        ("1t", "not a size"),
        ("-1", "a size cannot be negative"),
        ("-1m", "a size cannot be negative"),
        ("1mb", "not a size; write 1m (1048576 bytes)"),
        ("1 MiB", "not a size; write 1m (1048576 bytes)"),
        ("64KB", "not a size; write 64k (65536 bytes)"),
        (str(MAX_SIZE_BYTES + 1), "more than any machine holds"),
        ("9" * 5000 + "g", "more than any machine holds"),
    ],
)
def test_what_is_no_size_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_size(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (1024, "1k"),
        (65535, "65535"),
        (65536, "64k"),
        (1 << 20, "1m"),
        (1536 << 10, "1536k"),
        (1 << 30, "1g"),
        (1 << 40, "1024g"),
    ],
)
def test_a_size_is_written_with_the_largest_unit_that_divides_it(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(min_value=0, max_value=MAX_SIZE_BYTES))
def test_a_written_size_is_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("60", 60.0),
        ("60s", 60.0),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("500ms", 0.5),
        ("0.5MS", 0.0005),
        ("2m", 120.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
        ("1H", 3600.0),
        ("1d", 86400.0),
        (" 5s ", 5.0),
        ("365d", MAX_DURATION_S),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a time; write seconds (60, 1.5), or 500ms, 30s, 2m, 1h, 1d"),
        (".", "not a time"),
        ("s", "not a time"),
        ("1e3", "not a time"),
        ("inf", "not a time"),
        ("nan", "not a time"),
        ("1 s", "not a time"),
        ("5min", "not a time"),
        ("1h30m", "not a time"),
        ("1y", "not a time"),
        ("١", "not a time"),
        ("-1", "a time cannot be negative"),
        ("-inf", "a time cannot be negative"),
        ("366d", "longer than a year; times are in seconds, or end in ms, s, m, h or d"),
        ("9" * 400, "longer than a year"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_duration(text)
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.001, "1ms"),
        (0.25, "250ms"),
        (0.0005, "0.0005s"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (60.0, "60s"),
        (75.0, "75s"),
        (90.0, "90s"),
        (3600.0, "1h"),
        (7200.0, "2h"),
        (3601.0, "3601s"),
        (86400.0, "24h"),
        (-1.0, "-1s"),
    ],
)
def test_a_duration_is_written_as_people_would(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=MAX_DURATION_S))
def test_a_written_duration_is_read_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-12, abs=1e-29)


@given(st.integers(1, 999))
def test_whole_milliseconds_are_read_back_exactly(milliseconds: int) -> None:
    text = f"{milliseconds}ms"
    assert parse_duration(text) == milliseconds / 1000
    assert format_duration(milliseconds / 1000) == text


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            number = parse(text)
        except ValueError:
            continue
        assert number >= 0

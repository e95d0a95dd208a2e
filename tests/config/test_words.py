"""Texts made of words: split, read, shown, judged."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.kinds import COUNT, NAME, SWITCH
from proxy.config.words import (
    Parameter,
    explain_unknown,
    quote_word,
    ranges,
    read_words,
    show_words,
    split_words,
    why_out_of_range,
)


@dataclass(frozen=True, slots=True)
class Thing:
    """What the words of these tests describe."""

    size: int = 1
    old: bool = False
    loud: bool = True
    label: str = ""
    tags: tuple[str, ...] = ()


PARAMETERS = (
    Parameter("size", "size", COUNT, "", 1, 9),
    Parameter("old", "old", SWITCH, ""),
    Parameter("loud", "loud", SWITCH, ""),
    Parameter("label", "label", NAME, ""),
    Parameter("tag", "tags", NAME, "", many=True),
)
ELSEWHERE = {"ancient": "old", "max_size": "nothing is larger than 9"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a\tb \n c ", ["a", "b", "c"]),
        ("a=b", ["a=b"]),
        ('a="b c"', ["a=b c"]),
        ("'a b'=c", ["a b=c"]),
        ('""', [""]),
        ("a'b'\"c\"", ["abc"]),
        ("'\"'", ['"']),
        (r"^\d+\.x$", [r"^\d+\.x$"]),
        (r'"\"', ["\\"]),
        ("#a ;b|c", ["#a", ";b|c"]),
        ("ä\u00a0b", ["ä\u00a0b"]),
    ],
)
def test_words_are_split_at_spaces_outside_quotes(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", ['"', "a 'b", "a=\"b'c"])
def test_a_quote_that_is_not_closed(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a quote is not closed$"):
        split_words(text)


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("a=b", "a=b"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a'b", '"a\'b"'),
        ('a"', "'a\"'"),
        ("a'\"", "\"a'\"'\"'"),
    ],
)
def test_a_word_is_quoted_where_it_has_to_be(word: str, quoted: str) -> None:
    assert quote_word(word) == quoted


@given(st.lists(st.text()))
def test_what_is_quoted_is_split_into_the_same_words(words: list[str]) -> None:
    assert split_words(" ".join(map(quote_word, words))) == words


def test_words_give_fields() -> None:
    words = ["size=3", "old", "loud=off", "label=a=b", "tag=x", "tag=y"]
    assert read_words(words, PARAMETERS, ELSEWHERE) == {
        "size": 3,
        "old": True,
        "loud": False,
        "label": "a=b",
        "tags": ("x", "y"),
    }
    assert read_words([], PARAMETERS, ELSEWHERE) == {}


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("sise=3", "sise: did you mean size?"),
        ("SIZE=3", "SIZE: did you mean size?"),
        ("ancient", "ancient: did you mean old?"),
        ("max-size=5", "max-size: nothing is larger than 9"),
        ("xyzzy", "xyzzy: unknown; there are size, old, loud, label, tag"),
        ("=3", "=3: unknown; there are size, old, loud, label, tag"),
        ("size", "size has no value; write it like size=1"),
        ("size=", "size=: not a whole number"),
        ("size=x", "size=x: not a whole number"),
        ("old=perhaps", "old=perhaps: neither on nor off"),
    ],
)
def test_a_word_that_is_wrong(word: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_words(["label=a", word], PARAMETERS, ELSEWHERE)
    assert str(caught.value) == why


def test_a_word_given_twice() -> None:
    with pytest.raises(ValueError, match=r"^size is given twice$"):
        read_words(["size=1", "size=1"], PARAMETERS, ELSEWHERE)


things = st.builds(
    Thing, st.integers(0, 9), st.booleans(), st.booleans(), st.text(), st.tuples(st.text())
)


@given(things)
def test_what_is_shown_is_read_back(thing: Thing) -> None:
    text = " ".join(show_words(thing, PARAMETERS))
    assert Thing(**read_words(split_words(text), PARAMETERS, ELSEWHERE)) == thing


def test_defaults_are_not_shown() -> None:
    assert list(show_words(Thing(), PARAMETERS)) == []
    assert list(show_words(Thing(2, True, False, "a b"), PARAMETERS)) == [
        "size=2",
        "old",
        "loud=off",
        'label="a b"',
    ]


def test_a_number_out_of_its_bounds() -> None:
    assert list(ranges(Thing(), PARAMETERS)) == []
    assert list(ranges(Thing(size=10), PARAMETERS)) == ["size=10: must be from 1 to 9"]


@pytest.mark.parametrize(
    ("value", "low", "high", "why"),
    [
        (5, None, None, ""),
        (5, 5, 5, ""),
        (4, 5, None, "must be 5 or more"),
        (4, 5, 6, "must be from 5 to 6"),
        (float("nan"), 0, None, "must be 0 or more"),
    ],
)
def test_bounds_are_inclusive(value: float, low: float, high: float, why: str) -> None:
    assert why_out_of_range(value, low, high, COUNT) == why


def test_usage_is_as_in_a_manual() -> None:
    assert [parameter.usage for parameter in PARAMETERS][:2] == ["size=N", "old"]


def test_an_unknown_name_without_anything_like_it() -> None:
    assert explain_unknown("", ["a", "b"], {}) == "unknown; there are a, b"

"""A worker as its supervisor sees it."""

from typing import Any

from proxy.fleet.channel import Message
from proxy.fleet.member import MAX_UNSENT_BYTES, Member, Stage
from tests.fleet.pretend import make_member


def test_it_comes_goes_and_leaves_its_numbers() -> None:
    member, _ = make_member(0)
    assert not member.serves
    member.take({"serving": True})
    assert member.serves
    member.take({"numbers": ["some"]})
    member.take({"cut": 2})
    assert (member.numbers, member.cut) == (["some"], 2)
    assert not member.has_ended
    member.status = 0
    assert not member.has_ended  # there may be something to read still
    member.hung_up = True
    assert member.has_ended


def test_one_that_cannot_start_says_why() -> None:
    member, _ = make_member(0)
    member.take({"failed": "host not found"})
    assert member.failure == "host not found"
    assert member.stage is Stage.STARTING


def test_answers_find_their_questions() -> None:
    member, channel = make_member(0)
    got: list[Any] = []
    for name in ("a", "b"):
        member.ask(name, lambda answer, name=name: got.append((name, answer)))  # type: ignore[misc]
    first, second = channel.sent
    assert [one["value"] for one in channel.sent] == ["a", "b"]
    member.take({"answer": second["question"], "value": 2})
    member.take({"answer": first["question"], "value": 1})
    member.take({"answer": first["question"], "value": "again"})
    assert got == [("b", 2), ("a", 1)]


def test_one_that_takes_nothing_is_told_nothing() -> None:
    """Its memory is its own affair; what is not sent must not fill ours."""
    member, channel = make_member(0)
    channel.unsent_bytes = MAX_UNSENT_BYTES + 1
    message: Message = {"drain": 1.0}
    assert not member.tell(message)
    member.ask("anything", lambda answer: None)
    assert channel.sent == []
    assert Member(1, 1).number == 1

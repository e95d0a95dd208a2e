"""The order of those who wait."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.line import Line, Waiter
from proxy.upstream.wanted import Wanted


def waiter(priority: int = 0) -> Waiter:
    return Waiter(priority, Wanted(), lambda: None)


def test_first_come_first_served() -> None:
    line = Line(10)
    first, second = waiter(), waiter()
    assert line.join(first)
    assert line.join(second)
    assert list(line) == [first, second]
    line.leave(first)
    assert list(line) == [second]


def test_lower_classes_come_first() -> None:
    line = Line(10)
    late, usual, early = waiter(5), waiter(), waiter(-5)
    for one in (late, usual, early):
        line.join(one)
    assert list(line) == [early, usual, late]


def test_whoever_comes_back_has_the_old_place() -> None:
    line = Line(2)
    first, second, third = waiter(), waiter(), waiter()
    line.join(first)
    line.join(second)
    line.leave(first)
    line.join(third)
    assert line.join(first), "a place once given is not lost because the line is full"
    assert list(line) == [first, second, third]


def test_it_has_a_limit() -> None:
    line = Line(1)
    assert line.join(waiter())
    assert not line.join(waiter())
    assert (len(line), line.longest, line.refused) == (1, 1, 1)
    assert not Line(0).join(waiter())


def test_to_join_is_to_forget_the_last_answer() -> None:
    line, one = Line(1), waiter()
    one.hopeless = True
    assert one.answered
    line.join(one)
    assert not one.answered


def test_who_is_not_in_line_leaves_nothing() -> None:
    line, one, other = Line(5), waiter(), waiter()
    line.join(one)
    line.leave(other)
    assert list(line) == [one]


def test_it_knows_how_many_kinds_there_are() -> None:
    line, plain, other = Line(5), waiter(), waiter()
    upload = Waiter(0, Wanted(has_body=True), lambda: None)
    for one in (plain, other, upload):
        line.join(one)
    assert line.kinds == 2
    line.leave(plain)
    line.leave(upload)
    line.leave(upload)
    assert line.kinds == 1
    line.join(plain)
    assert line.kinds == 1


def test_going_through_it_allows_to_leave() -> None:
    line = Line(5)
    for _ in range(3):
        line.join(waiter())
    for one in line:
        line.leave(one)
    assert len(line) == 0


@given(st.lists(st.integers(-2, 2)), st.data())
def test_it_is_always_in_order(priorities: list[int], data: st.DataObject) -> None:
    line = Line(100)
    gone: list[Waiter] = []
    for priority in priorities:
        line.join(waiter(priority))
        if data.draw(st.booleans()):
            gone.append(next(iter(line)))
            line.leave(gone[-1])
            continue
        comes_back: bool = data.draw(st.booleans())
        if gone and comes_back:
            line.join(gone.pop())
    places = [(one.priority, one.ticket) for one in line]
    assert places == sorted(places)
    assert len(set(places)) == len(line) == len(priorities) - len(gone)


def test_a_full_line_makes_room_for_a_lower_class() -> None:
    """The last of those that are to be served last goes; its own class has no such right."""
    line = Line(2)
    urgent, usual, late = waiter(-1), waiter(), waiter()
    assert line.make_room(urgent) is None, "there is room"
    assert line.join(usual)
    assert line.join(late)
    assert line.make_room(waiter()) is None
    assert line.make_room(urgent) is late
    assert late.displaced
    assert late.answered
    assert line.join(urgent)
    assert list(line) == [urgent, usual]
    assert line.refused == 1
    assert line.join(late), "who has had a place needs no room, so there may be more than allowed"
    another = waiter(-1)
    assert line.make_room(another) is late
    assert line.join(another)
    assert Line(0).make_room(waiter(-1)) is None

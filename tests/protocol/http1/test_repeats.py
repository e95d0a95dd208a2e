"""What has come twice in a row is remembered."""

from protocol.http1.repeats import Repeats


def test_the_first_time_nothing_is_kept() -> None:
    memory: Repeats[int] = Repeats()
    memory.put(b"a", 1)
    assert (memory.key, memory.value) == (None, None)


def test_the_second_time_the_value_is() -> None:
    memory: Repeats[int] = Repeats()
    memory.put(b"a", 1)
    memory.put(b"a", 2)
    assert (memory.key, memory.value) == (b"a", 2)


def test_something_else_in_between_ends_it() -> None:
    memory: Repeats[int] = Repeats()
    for key in (b"a", b"a", b"b"):
        memory.put(key, 1)
    assert memory.value is None
    memory.put(b"a", 1)
    assert memory.value is None


def test_forgetting_keeps_nothing() -> None:
    memory: Repeats[int] = Repeats()
    memory.put(b"a", 1)
    memory.put(b"a", 1)
    memory.forget()
    assert (memory.key, memory.value) == (None, None)
    memory.put(b"a", 1)
    assert memory.value is None

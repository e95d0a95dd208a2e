"""What a worker has to be told that was not there when it was changed."""

from typing import Any

from proxy.fleet.commands import MAX_COMMANDS, Commands

PLACE = {"upstream": "default", "backend": "unix:/run/a.sock"}
ADDED = {"do": "add", "upstream": "default", "server": "unix:/run/b.sock"}


def change(**what: Any) -> dict[str, Any]:
    return {"do": "change", **PLACE, **what}


def remembered(*commands: dict[str, Any]) -> list[dict[str, Any]]:
    memory = Commands()
    for command in commands:
        memory.note(command, command.get("backend") or command["server"].partition(" ")[0])
    return list(memory)


def test_they_are_kept_in_order() -> None:
    other = {**change(weight=3), "backend": "unix:/run/b.sock"}
    assert remembered(change(weight=2), ADDED, other) == [change(weight=2), ADDED, other]


def test_a_later_change_takes_the_place_of_an_earlier_one() -> None:
    nights = [change(drain=night % 2 == 0) for night in range(100)]
    assert remembered(change(weight=2), ADDED, *nights) == [ADDED, change(weight=2, drain=False)]


def test_what_is_removed_needs_no_changes() -> None:
    removal = {"do": "remove", **PLACE}
    assert remembered(change(weight=2), removal) == [removal]


def test_what_was_added_and_removed_never_was() -> None:
    b = {**PLACE, "backend": "unix:/run/b.sock"}
    drain, removal = change(drain=True), {"do": "remove", **b}
    added = {**ADDED, "server": "unix:/run/b.sock weight=2"}
    nights: list[dict[str, Any]] = [
        added,
        {"do": "change", **b, "weight": 3},
        removal,
    ] * MAX_COMMANDS
    assert remembered(drain, *nights) == [drain]


def test_what_was_configured_can_be_removed_and_added_again() -> None:
    removal = {"do": "remove", **PLACE, "backend": "unix:/run/b.sock"}
    assert remembered(removal, ADDED) == [removal, ADDED]
    assert remembered(removal, ADDED, removal, ADDED, removal) == [removal]


def test_there_is_an_end_to_it() -> None:
    many = [{**ADDED, "server": str(number)} for number in range(MAX_COMMANDS + 5)]
    assert remembered(*many) == many[5:]

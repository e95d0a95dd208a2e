"""Kinds of value: what each reads and shows."""

import pytest

from proxy.config import kinds
from proxy.config.kinds import Kind
from proxy.settings import Address

ALL = [
    kinds.ADMIN,
    kinds.APP,
    kinds.STATS,
    kinds.COUNT,
    kinds.DURATION,
    kinds.LISTEN,
    kinds.LOG_FILE,
    kinds.NAME,
    kinds.NETWORKS,
    kinds.PARAM,
    kinds.PATH,
    kinds.PERCENT,
    kinds.PRIORITY,
    kinds.RESOLVER,
    kinds.SECONDS,
    kinds.SIZE,
    kinds.SUBSCRIBE,
    kinds.SWITCH,
    kinds.TEXT,
    kinds.TEXT_OR_OFF,
    kinds.choice("fast", "slow"),
    kinds.choice_or_off("fast", "slow"),
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.metavar)
def test_the_example_is_right_and_shows_as_itself(kind: Kind) -> None:
    assert kind.show(kind.parse(kind.example)) == kind.example


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, True) for word in ("on", "ON", "true", "True", "yes", "1", " on ")),
        *((word, False) for word in ("off", "Off", "false", "FALSE", "no", "0")),
    ],
)
def test_a_switch_takes_the_words_that_yaml_and_people_use(word: str, value: bool) -> None:
    assert kinds.SWITCH.parse(word) is value


@pytest.mark.parametrize("word", ["", "o", "enabled", "2", "-"])
def test_a_switch_is_on_or_off(word: str) -> None:
    with pytest.raises(ValueError, match=r"^neither on nor off$"):
        kinds.SWITCH.parse(word)


def test_a_switch_shows_as_on_or_off() -> None:
    assert [kinds.SWITCH.show(True), kinds.SWITCH.show(False)] == ["on", "off"]
    assert [kind.metavar for kind in ALL if kind.is_switch] == ["on|off"]


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("12", 12), (" 3 ", 3), ("007", 7)])
def test_a_count_is_a_whole_number(text: str, count: int) -> None:
    assert kinds.COUNT.parse(text) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a whole number"),
        ("1.5", "not a whole number"),
        ("1k", "not a whole number"),
        ("+1", "not a whole number"),
        ("³", "not a whole number"),
        ("-", "not a whole number"),
        ("9" * 30, "not a whole number"),
        ("-5", "cannot be negative"),
    ],
)
def test_what_is_no_count(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^{why}$"):
        kinds.COUNT.parse(text)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A=b", ("A", "b")),
        ("A=", ("A", "")),
        ("A=b=c", ("A", "b=c")),
        (" A = b ", ("A", " b ")),
        ("=b", ("", "b")),
    ],
)
def test_a_parameter_is_split_at_its_first_equals_sign(text: str, pair: tuple[str, str]) -> None:
    assert kinds.PARAM.parse(text) == pair


@pytest.mark.parametrize(("text", "right"), [("A", "A=VALUE"), ("", "NAME=VALUE")])
def test_a_parameter_without_equals_sign(text: str, right: str) -> None:
    with pytest.raises(ValueError, match=rf"^no equals sign; write {right}$"):
        kinds.PARAM.parse(text)


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("app", "app:application"),
        ("app:app", "app:app"),
        ("package.module:application", "package.module:application"),
        ("package.module:site.wsgi", "package.module:site.wsgi"),
        (" app:app ", "app:app"),
        ("_a1:_b2", "_a1:_b2"),
        ("módulo:aplicación", "módulo:aplicación"),
    ],
)
def test_an_application_is_a_module_and_a_callable(text: str, app: str) -> None:
    assert kinds.APP.parse(text) == app
    assert kinds.APP.parse(app) == app


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a module name; write package.module:callable"),
        (":app", "'' is not a module name; write package.module:callable"),
        ("my-app:app", "'my-app' is not a module name; write package.module:callable"),
        ("a..b", "'a..b' is not a module name; write package.module:callable"),
        ("1a", "'1a' is not a module name; write package.module:callable"),
        ("app:", "no callable after the colon; write app:application"),
        ("app.py", "a file, not a module; did you mean app:application?"),
        ("./site/app.py:wsgi", "a file, not a module; did you mean site.app:wsgi?"),
        ("site/app", "a file, not a module; did you mean site.app:application?"),
        ("app:make()", "a call; make the application in the module, and give its name"),
        ("app:a-b", "'a-b' is not a Python name; write app:application"),
        ("app:a:b", "'a:b' is not a Python name; write app:application"),
    ],
)
def test_what_is_no_application(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        kinds.APP.parse(text)
    assert str(caught.value) == why


@pytest.mark.parametrize("text", ["off", "OFF", ""])
@pytest.mark.parametrize(
    ("kind", "nothing"), [(kinds.ADMIN, None), (kinds.LOG_FILE, ""), (kinds.TEXT_OR_OFF, "")]
)
def test_off_means_nothing(kind: Kind, nothing: object, text: str) -> None:
    assert kind.parse(text) == nothing
    assert kind.show(nothing) == "off"


def test_what_is_not_off_is_kept() -> None:
    assert kinds.ADMIN.parse(":81") == Address(host="0.0.0.0", port=81)
    assert kinds.LOG_FILE.parse("/var/log/access.log") == "/var/log/access.log"
    assert kinds.LOG_FILE.parse("-") == "-"
    assert kinds.TEXT_OR_OFF.parse("Apache") == "Apache"


def test_a_choice_is_one_of_its_names() -> None:
    kind = kinds.choice("auto", "uvloop", "asyncio")
    assert kind.metavar == "auto|uvloop|asyncio"
    assert kind.parse(" UVLOOP ") == "uvloop"
    with pytest.raises(ValueError, match=r"^not one of the choices; did you mean uvloop\?$"):
        kind.parse("uvlop")
    with pytest.raises(ValueError, match=r"^not one of the choices; choose auto, uvloop or async"):
        kind.parse("twisted")


def test_a_choice_of_many_is_described_by_one_word() -> None:
    kind = kinds.choice("a", "b", metavar="LETTER")
    assert (kind.metavar, kind.choices, kind.example) == ("LETTER", ("a", "b"), "a")


def test_a_choice_may_be_off() -> None:
    kind = kinds.choice_or_off("lax", "strict")
    assert kind.metavar == "lax|strict|off"
    assert [kind.parse(text) for text in ("off", "", "Lax")] == ["", "", "lax"]
    assert [kind.show(value) for value in ("", "lax")] == ["off", "lax"]


@pytest.mark.parametrize(("text", "percent"), [("20", 20), ("20%", 20), (" 0% ", 0)])
def test_a_percentage_is_a_whole_number(text: str, percent: int) -> None:
    assert kinds.PERCENT.parse(text) == percent


@pytest.mark.parametrize("text", ["", "%", "1.5%", "20%%", "a"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a whole number$"):
        kinds.PERCENT.parse(text)


@pytest.mark.parametrize(("text", "percent"), [("0.2", 20), (".05", 5), ("0.29", 29)])
def test_a_fraction_is_told_in_per_cent(text: str, percent: int) -> None:
    with pytest.raises(ValueError, match=rf"^not a whole number; in per cent it is {percent}%$"):
        kinds.PERCENT.parse(text)


def test_a_choice_of_another_program() -> None:
    kind = kinds.choice("hash", "first", elsewhere={"uri": "hash"})
    with pytest.raises(ValueError, match=r"^not one of the choices; did you mean hash\?$"):
        kind.parse("URI")


def test_whole_seconds() -> None:
    assert [kinds.SECONDS.parse(text) for text in ("5", "2m", "1000ms")] == [5, 120, 1]
    assert type(kinds.SECONDS.parse("5")) is int
    assert kinds.SECONDS.show(5) == "5s"
    with pytest.raises(ValueError, match=r"^not a whole number of seconds$"):
        kinds.SECONDS.parse("1.5")


@pytest.mark.parametrize(
    ("text", "pair"),
    [("/a=-10", ("/a", -10)), (" /a=5 ", ("/a", 5)), ("/a=b=+0", ("/a=b", 0)), ("=1", ("", 1))],
)
def test_a_priority_is_split_at_its_last_equals_sign(text: str, pair: tuple[str, int]) -> None:
    assert kinds.PRIORITY.parse(text) == pair


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/a", "no equals sign; write /a=-10"),
        ("/a  -5", "no equals sign; write /a=-5"),
        ("", "no equals sign; write /path=-10"),
        ("/a=high", "'high' is not a whole number; write /a=-10"),
        ("/a=", "'' is not a whole number; write /a=-10"),
        ("/a=1.5", "'1.5' is not a whole number; write /a=-10"),
    ],
)
def test_what_is_no_priority(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        kinds.PRIORITY.parse(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        (" 10.0.0.1, ::1 ,", ("10.0.0.1/32", "::1/128")),
        ("10.0.0.0/8 ::1", ("10.0.0.0/8", "::1/128")),
        ("fd00::/8,10.0.0.0/255.0.0.0", ("fd00::/8", "10.0.0.0/8")),
        ("", ()),
    ],
)
def test_networks(text: str, networks: tuple[str, ...]) -> None:
    assert kinds.NETWORKS.parse(text) == networks


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("::1,localhost", "localhost is not a network; write it like 10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/33 is not a network; write it like 10.0.0.0/8"),
        (
            "10.0.0.5/8",
            "10.0.0.5/8 is an address within a network; write 10.0.0.0/8 or 10.0.0.5",
        ),
    ],
)
def test_what_is_no_network(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        kinds.NETWORKS.parse(text)
    assert str(caught.value) == why

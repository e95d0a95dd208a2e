"""Kinds of value: what each reads and shows."""

import pytest

from proxy.config import kinds
from proxy.config.kinds import Kind
from proxy.settings import Address

ALL = [
    kinds.ADMIN,
    kinds.APP,
    kinds.CONNECT,
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
    kinds.SOCKET_OR_OFF,
    kinds.SWITCH,
    kinds.TEXT,
    kinds.TEXT_OR_OFF,
    kinds.choice("fast", "slow"),
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

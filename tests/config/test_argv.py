"""The command line as a source, and its help."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import backend, check_spec, sticky
from proxy.config.argv import help_text, read_argv
from proxy.config.names import COMMANDS, NO_FILE
from proxy.config.options import GROUPS, OPTIONS
from proxy.config.sources import Given
from proxy.settings import Address, Algorithm, BackendSettings


def values(*argv: str) -> dict[str, Any]:
    line = read_argv(argv)
    assert line.source.complaints == []
    return {path: given.value for path, given in line.source.given.items()}


def complaints(*argv: str) -> list[str]:
    return read_argv(argv).source.complaints


def test_nothing_given() -> None:
    line = read_argv([])
    assert (line.source.given, line.source.complaints, line.commands) == ({}, [], set())


def test_every_option_can_be_given_both_ways() -> None:
    apart = [word for option in OPTIONS for word in (option.flag, option.kind.example)]
    joined = [f"{option.flag}={option.kind.example}" for option in OPTIONS]
    assert values(*apart) == values(*joined)
    assert values(*apart).keys() == {option.path for option in OPTIONS}


def test_the_command_line_is_remembered_as_the_origin() -> None:
    line = read_argv(["--send-timeout", "5"])
    assert line.source.given == {"client.send_timeout_s": Given(5.0, "command line")}


def test_repeated_options_collect() -> None:
    assert values(
        "--upstream", "unix:/a", "--param", "A=1", "--upstream", "h:1", "--param=B=2"
    ) == {
        "upstream.backends": (
            BackendSettings(Address(path="/a")),
            BackendSettings(Address(host="h", port=1)),
        ),
        "packet.params": (("A", "1"), ("B", "2")),
    }


def test_the_last_one_counts_for_an_option_that_cannot_repeat() -> None:
    assert values("--admin", ":81", "--admin", "off") == {"server.admin": None}


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["--buffering"], True),
        (["--buffering", "on"], True),
        (["--buffering", "off"], False),
        (["--buffering=off"], False),
        (["--buffering", "--send-timeout", "1"], True),
        (["--buffering", "off", "--buffering"], True),
    ],
)
def test_a_switch_without_a_value_means_on(argv: list[str], value: bool) -> None:
    assert values(*argv)["buffers.reply_buffering"] is value


def test_values_that_look_like_flags() -> None:
    assert values("--access-log", "-") == {"log.access_log": "-"}
    assert values("--param=-A=-b") == {"packet.params": (("-A", "-b"),)}
    assert complaints("--modifier1", "-5") == ["--modifier1 -5: cannot be negative"]


@pytest.mark.parametrize("flag", ["--listen", "--upstream", "--send-timeout"])
def test_a_missing_value_shows_an_example(flag: str) -> None:
    for argv in ([flag], [flag, "--version"]):
        (complaint,) = complaints(*argv)
        assert complaint.startswith(f"{flag} has no value; write it like {flag} ")


def test_an_empty_value_is_shown_as_such() -> None:
    assert complaints("--listen", "") == [
        "--listen '': empty; write unix:/run/app.sock or 127.0.0.1:8080"
    ]


def test_every_wrong_value_is_reported() -> None:
    assert complaints("--upstream", "app.sock", "--loop", "uvlop", "--send-timeout=soon") == [
        "--upstream app.sock: not an address; did you mean unix:app.sock?",
        "--send-timeout soon: not a time; write seconds (60, 1.5), or 500ms, 30s, 2m, 1h, 1d",
        "--loop uvlop: not one of the choices; did you mean uvloop?",
    ]


def test_an_unknown_option_names_the_nearest_and_hides_its_value() -> None:
    assert complaints("--upsteam", "unix:/a", "--bind=:80") == [
        "unknown option --upsteam: did you mean --upstream?",
        "unknown option --bind: did you mean --listen?",
    ]


def test_an_abbreviation_is_unknown() -> None:
    assert complaints("--list", ":80") == ["unknown option --list: did you mean --listen?"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("unix:/run/app.sock", "did you mean --upstream unix:/run/app.sock?"),
        ("site.toml", NO_FILE),
        ("app.sock", "did you mean --upstream app.sock?"),
        ("site:app", "did you mean --app site:app, --upstream site:app or --listen site:app?"),
        ("weight=5", 'the words of one value stand in quotes: --upstream "ADDRESS weight=5"'),
        ("backup", 'the words of one value stand in quotes: --upstream "ADDRESS backup"'),
        ("status=200", 'the words of one value stand in quotes: --check "http /path status=200"'),
        ("secure", 'the words of one value stand in quotes: --sticky-cookie "NAME secure"'),
        ("/healthz", 'the words of one value stand in quotes: --check "http /healthz"'),
        (
            "http_503",
            "the conditions of one value stand without spaces: --next-upstream error,http_503",
        ),
        ("start", "every setting is an option that begins with --"),
        ("-", "every setting is an option that begins with --"),
    ],
)
def test_a_bare_word_is_not_an_argument(word: str, hint: str) -> None:
    assert complaints(word) == [f"unexpected argument {word}: {hint}"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command(command: str) -> None:
    assert read_argv([f"--{command}"]).commands == {command}
    assert complaints(f"--{command}=yes")[0].endswith("takes no value")


def test_several_commands_beside_settings() -> None:
    line = read_argv(["-h", "--check-config", "--loop", "asyncio"])
    assert line.commands == {"help", "check-config"}
    assert line.source.given.keys() == {"server.loop"}


@given(
    st.lists(
        st.text(max_size=10)
        | st.sampled_from([option.flag for option in OPTIONS])
        | st.builds("--{}".format, st.text(max_size=8)),
        max_size=6,
    )
)
def test_no_words_can_make_it_raise_or_exit(words: list[str]) -> None:
    assert all(read_argv(words).source.complaints)


@pytest.mark.parametrize("columns", ["20", "80", "100", "300"])
def test_help_names_everything_once_at_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = help_text()
    lines = [line.strip() for line in text.splitlines()]
    for option in OPTIONS:
        assert sum(line.split(" ")[0] == option.flag for line in lines) == 1, option.flag
        assert option.kind.metavar in text
    assert all(f"{group.title}:" in lines for group in GROUPS)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("columns", ["100", "300"])
def test_help_fits_100_columns_and_breaks_no_word_that_has_to_be_typed(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = help_text()
    assert max(map(len, text.splitlines())) <= 100
    words = text.replace(",", " ").replace(";", " ").split()
    assert set(get_args(Algorithm)) <= set(words)
    for parameters in (backend.PARAMETERS, check_spec.PARAMETERS, sticky.PARAMETERS):
        assert {parameter.usage for parameter in parameters} <= set(words)


def test_help_says_defaults_units_variables_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = " ".join(help_text().split())
    assert "Accept HTTP here" in text
    assert "[127.0.0.1:8080]" in text
    assert "Largest request body, 413 over it; 0 for no limit. [1m]" in text
    assert "TIME seconds, or with a unit: 60, 1.5, 500ms" in text
    assert "BACKEND ADDRESS weight=N max_conns=N max_fails=N" in text
    assert "UWSGI_FRONTEND_SEND_TIMEOUT" in text
    assert "2 the settings are wrong" in text
    assert "128+N a second signal" in text

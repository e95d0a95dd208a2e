"""Merging sources into one tree."""

from proxy.config.argv import read_argv
from proxy.config.env import read_env
from proxy.config.options import OPTIONS
from proxy.config.sources import Loaded, Source, build, load
from proxy.settings import Address, BackendSettings, Settings


def loaded(environ: dict[str, str], *argv: str) -> Loaded:
    return load([read_env(environ), read_argv(argv).source])


def test_no_source_gives_the_defaults() -> None:
    assert load([]) == Loaded(Settings(), {}, [])
    assert build({}) == Settings()


def test_values_of_several_branches_are_put_in_and_the_rest_stays() -> None:
    settings = build({"client.send_timeout_s": 5.0, "client.max_headers": 7, "log.level": "debug"})
    assert (settings.client.send_timeout_s, settings.client.max_headers) == (5.0, 7)
    assert settings.log.level == "debug"
    assert settings.client.body_timeout_s == Settings().client.body_timeout_s
    assert settings.buffers == Settings().buffers


def test_values_are_put_in_at_any_depth() -> None:
    settings = build({"upstream.retry.tries": 3, "upstream.name": "a", "upstream.check.rise": 7})
    upstream = settings.upstream
    assert (upstream.retry.tries, upstream.name, upstream.check.rise) == (3, "a", 7)
    assert upstream.retry.conditions == Settings().upstream.retry.conditions
    assert upstream.queue == Settings().upstream.queue


def test_every_option_reaches_its_place() -> None:
    argv = [f"{option.flag}={option.kind.example}" for option in OPTIONS]
    settings = loaded({}, *argv).settings
    for option in OPTIONS:
        assert option.read(settings) == option.parse([option.kind.example])


def test_the_command_line_wins_over_the_environment() -> None:
    result = loaded(
        {"UWSGI_FRONTEND_SEND_TIMEOUT": "1", "UWSGI_FRONTEND_BACKLOG": "9"}, "--send-timeout", "2"
    )
    assert (result.settings.client.send_timeout_s, result.settings.server.backlog) == (2.0, 9)
    assert result.origins == {
        "client.send_timeout_s": "command line",
        "server.backlog": "UWSGI_FRONTEND_BACKLOG",
    }


def test_a_list_of_the_command_line_replaces_the_whole_list_of_the_environment() -> None:
    result = loaded({"UWSGI_FRONTEND_UPSTREAM": "unix:/a,unix:/b"}, "--upstream", "unix:/c")
    assert result.settings.upstream.backends == (BackendSettings(Address(path="/c")),)


def test_the_command_line_can_win_with_the_default_value() -> None:
    result = loaded({"UWSGI_FRONTEND_BUFFERING": "off"}, "--buffering", "on")
    assert result.settings == Settings()
    assert result.origins == {"buffers.reply_buffering": "command line"}


def test_complaints_of_all_sources_are_kept_and_the_tree_is_whole() -> None:
    result = loaded({"UWSGI_FRONTEND_LOOP": "x"}, "--send-timeout", "x", "--backlog", "5")
    assert len(result.complaints) == 2
    assert result.settings.server.backlog == 5
    assert result.settings.server.loop == "auto"


def test_one_wrong_text_of_a_list_gives_none_of_it() -> None:
    result = loaded({}, "--upstream", "unix:/a", "--upstream", "b")
    assert result.settings.upstream.backends == ()
    assert result.complaints == ["--upstream b: no port; write it like b:3031"]


def test_a_source_labels_complaints_as_the_user_wrote_them() -> None:
    source = Source()
    source.take(OPTIONS[0], ["nonsense"], "here: ", "somewhere")
    assert source.complaints == ["here: nonsense: no port; write it like nonsense:8080"]
    assert source.given == {}

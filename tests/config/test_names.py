"""Unknown names: who wrote them meant which option?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.names import (
    ANSWERS,
    COMMANDS,
    NO_FILE,
    is_file_of_settings,
    suggest_environment,
    suggest_flag,
)
from proxy.config.options import OPTIONS


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("--upsteam", "--upstream"),
        ("--upstreams=unix:/x", "--upstream"),
        ("--lsten", "--listen"),
        ("-listen", "--listen"),
        ("--LISTEN", "--listen"),
        ("--client_max_body_size", "--client-max-body-size"),
        ("--client-body-size", "--client-max-body-size"),
        ("--keep-alive-timeout", "--keepalive-timeout"),
        ("--checkconfig", "--check-config"),
        ("--print_config", "--print-config"),
        ("-V", "--version"),
        ("-v", "--version"),
        ("-t", "--check-config"),
        # nginx
        ("--uwsgi_pass", "--upstream"),
        ("--uwsgi-read-timeout", "--backend-read-timeout"),
        ("--uwsgi_read_timout", "--backend-read-timeout"),
        ("--uwsgi_param", "--param"),
        ("--root", "--document-root"),
        ("--large_client_header_buffers", "--max-request-line-size"),
        ("--server", "--upstream"),
        ("--least_conn", "--balance least-conn"),
        ("--ip_hash", "--balance ip-hash"),
        ("--random", "--balance random"),
        ("--hash", "--balance hash"),
        ("--sticky", "--sticky-cookie"),
        ("--queue", "--queue-size"),
        ("--uwsgi_next_upstream", "--next-upstream"),
        ("--uwsgi_next_upstream_tries", "--next-upstream-tries"),
        ("--uwsgi_next_upstream_timeout", "--next-upstream-timeout"),
        ("--health_check", "--check"),
        ("--resolver", "--resolver"),
        # HAProxy, Caddy, Envoy
        ("--maxqueue", "--queue-size"),
        ("--redispatch", "--next-upstream"),
        ("--option-redispatch", "--next-upstream"),
        ("--retry-on", "--next-upstream"),
        ("--retries", "--next-upstream-tries"),
        ("--httpchk", "--check"),
        ("--inter", "--check-interval"),
        ("--timeout-queue", "--queue-timeout"),
        ("--timeout-check", "--check-timeout"),
        ("--lb_try_duration", "--try-duration"),
        ("--base_ejection_time", "--ejection-base"),
        # uWSGI
        ("--subscription-server", "--subscribe"),
        ("--http-subscription-server", "--subscribe"),
        ("--fastrouter-subscription-server", "--subscribe"),
        ("--subscribe-to", "--subscribe"),
        ("--subscription-tolerance", "--subscribe-tolerance"),
        ("--subscriptions-sign-check", "--subscribe-keys-dir"),
        ("--http", "--listen"),
        ("--http-socket", "--listen"),
        ("--socket", "--upstream"),
        ("--module", "--app"),
        ("--wsgi-file", "--app"),
        ("--buffer-size", "--backend-buffer-size"),
        ("--max-vars", "--backend-max-vars"),
        ("--stats", "--admin"),
        # gunicorn
        ("--bind", "--listen"),
        ("-b", "--listen"),
        ("--worker-processes", "--workers"),
        ("--timeout", "--backend-read-timeout"),
        ("--graceful-timeout", "--shutdown-timeout"),
        ("--access-logfile", "--access-log"),
        # everybody
        ("--port", "--listen"),
        ("--host", "--listen"),
        ("--backend", "--upstream"),
    ],
)
def test_a_wrong_flag_leads_to_the_right_one(wrong: str, right: str) -> None:
    assert suggest_flag(wrong) == f"did you mean {right}?"


@pytest.mark.parametrize(
    ("word", "usage"),
    [
        ("weight", "weight=N"),
        ("max_conns", "max_conns=N"),
        ("Max-Fails", "max_fails=N"),
        ("backup", "backup"),
        ("maxconn", "max_conns=N"),
        ("slowstart", "slow_start=TIME"),
    ],
)
def test_a_word_of_a_backend_is_no_option(word: str, usage: str) -> None:
    flag = f'it stands behind an address: --upstream "ADDRESS {usage}"'
    assert suggest_flag(f"--{word}=5") == flag
    variable = f"it stands behind an address: UWSGI_FRONTEND_UPSTREAM='ADDRESS {usage}'"
    assert suggest_environment(f"UWSGI_FRONTEND_{word}") == variable


def test_what_does_not_exist_says_what_there_is() -> None:
    for word in ("-c", "--config", "--config-file=a.toml"):
        assert suggest_flag(word) == NO_FILE
    assert suggest_flag("--daemon").startswith("it stays in the foreground")
    assert is_file_of_settings("nginx.conf")
    assert not is_file_of_settings("site:app")


@pytest.mark.parametrize("wrong", ["--xyzzy", "-q", "--", "--=1"])
def test_a_flag_like_no_other_leads_to_help(wrong: str) -> None:
    assert suggest_flag(wrong) == "see --help for all of them"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("LEAST_CONN", "did you mean UWSGI_FRONTEND_BALANCE=least-conn?"),
        ("LISTN", "did you mean UWSGI_FRONTEND_LISTEN?"),
        ("listen", "did you mean UWSGI_FRONTEND_LISTEN?"),
        ("CLIENT_MAX_BODY", "did you mean UWSGI_FRONTEND_CLIENT_MAX_BODY_SIZE?"),
        ("UWSGI_PASS", "did you mean UWSGI_FRONTEND_UPSTREAM?"),
        ("PORT", "did you mean UWSGI_FRONTEND_LISTEN?"),
        ("WORKER_PROCESSES", "did you mean UWSGI_FRONTEND_WORKERS?"),
        ("CHECK_CONFIG", "--check-config works on the command line only"),
        ("V", "see --help for all options; a variable is named after its option"),
        ("XYZZY", "see --help for all options; a variable is named after its option"),
        ("", "see --help for all options; a variable is named after its option"),
    ],
)
def test_a_wrong_variable_leads_to_the_right_one(wrong: str, hint: str) -> None:
    assert suggest_environment("UWSGI_FRONTEND_" + wrong) == hint


@given(st.text(max_size=40))
def test_any_name_gets_a_hint_that_exists(name: str) -> None:
    real = {option.flag for option in OPTIONS} | {f"--{command}" for command in COMMANDS}
    hint = suggest_flag(name)
    if "--upstream" in hint or "--balance" in hint or hint in ANSWERS.values():
        return  # told with a value
    assert hint.startswith("see ") or hint.removeprefix("did you mean ").rstrip("?") in real
    assert suggest_environment(name)

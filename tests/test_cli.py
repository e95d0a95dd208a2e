"""The command from its first argument to its exit code, without a server behind it."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import __version__, cli
from proxy.cli import main, version
from proxy.config import names
from proxy.config.argv import help_text
from proxy.config.options import OPTIONS

ROOT = Path(__file__).parents[1]
ERROR = "uwsgi-frontend: error: "
GOOD = ["--upstream", "unix:/nonexistent/app.sock"]


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, with nothing of our own environment that it could read."""
    clean = {name: value for name, value in os.environ.items() if "UWSGI" not in name}
    return subprocess.run(
        [sys.executable, "-m", "proxy", *argv],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=clean | {"PYTHONUTF8": "1"} | environ,
        cwd=ROOT,
        timeout=60,
    )


def test_the_version_of_the_process() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == version() + "\n"
    assert done.stdout.startswith(f"uwsgi-frontend {__version__} (")


def test_bad_input_ends_the_process_with_one_line_and_exit_code_2() -> None:
    done = run("--upsteam", "unix:/run/app.sock")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{ERROR}unknown option --upsteam: did you mean --upstream?\n"


def test_the_environment_of_the_process_is_a_source() -> None:
    done = run("--check-config", UWSGI_FRONTEND_UPSTREAM="unix:/nonexistent/app.sock")
    assert (done.returncode, done.stdout, done.stderr) == (0, "configuration ok\n", "")
    done = run("--check-config", UWSGI_FRONTEND_UPSTREAM="app.sock")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{ERROR}UWSGI_FRONTEND_UPSTREAM=app.sock: not an address; did you mean unix:app.sock?\n"
    )


def test_bytes_that_are_no_text_do_not_cause_a_traceback() -> None:
    done = run("--upstream", os.fsdecode(b"\xff.sock"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(ERROR)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("-h", "--help"):
        assert main([flag, "--nonsense"], {}) == 0
        assert capsys.readouterr() == (help_text() + "\n", "")


def test_serve_is_what_it_does_anyway(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--check-config", *GOOD], {}) == 0
    assert capsys.readouterr().out == "configuration ok\n"


def test_every_subcommand_is_described_and_has_its_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(cli.SUBCOMMANDS) == set(names.SUBCOMMANDS)
    for word in cli.SUBCOMMANDS:
        with pytest.raises(SystemExit) as caught:
            main([word, "--help"], {})
        assert caught.value.code == 0
        assert f"uwsgi-frontend {word}" in capsys.readouterr().out


def test_version_needs_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"], {"UWSGI_FRONTEND_LOOP": "nonsense"}) == 0
    out, err = capsys.readouterr()
    assert "h11 " in out
    assert out.count("\n") == 1
    assert err == ""


def test_check_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check-config", *GOOD], {}) == 0
    assert capsys.readouterr() == ("configuration ok\n", "")


def test_check_config_says_everything_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check-config", "--modifier1", "256", "--spool-dir", "/nonexistent"], {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        ERROR + "nowhere to pass requests to; give --upstream unix:/run/app.sock, "
        "or --app module:callable",
        ERROR + "--modifier1 256: must be from 0 to 255",
        ERROR + "--spool-dir /nonexistent: directory /nonexistent does not exist",
    ]


def test_mistakes_in_both_sources_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--loop", "uvlop"], {"UWSGI_FRONTEND_LISTN": ":80"}) == 2
    assert capsys.readouterr().err.splitlines() == [
        ERROR + "unknown environment variable UWSGI_FRONTEND_LISTN: did you mean "
        "UWSGI_FRONTEND_LISTEN?",
        ERROR + "--loop uvlop: not one of the choices; did you mean uvloop?",
    ]


def test_a_complaint_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--upstream", "a\n\x1b[2Jb.sock"], {}) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert r"a\n\x1b[2Jb.sock" in err


def test_print_config(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"UWSGI_FRONTEND_SEND_TIMEOUT": "2m", "UWSGI_FRONTEND_BACKLOG": "9"}
    assert main(["--print-config", "--backlog", "10", *GOOD], environ) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0].startswith(f"# uwsgi-frontend {__version__}")
    assert "send-timeout = 120s # UWSGI_FRONTEND_SEND_TIMEOUT" in lines
    assert "backlog = 10 # command line" in lines
    assert "upstream = unix:/nonexistent/app.sock # command line" in lines
    assert "keepalive-timeout = 75s" in lines
    assert err == ""


def test_print_config_shows_what_it_complains_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-config", "--modifier1", "256", *GOOD], {}) == 2
    out, err = capsys.readouterr()
    assert "modifier1 = 256 " in out
    assert err == f"{ERROR}--modifier1 256: must be from 0 to 255\n"


def test_print_config_shows_nothing_that_was_not_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--print-config", "--modifier1", "x", *GOOD], {}) == 2
    assert capsys.readouterr() == ("", f"{ERROR}--modifier1 x: not a whole number\n")


def test_print_and_check_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-config", "--check-config", *GOOD], {}) == 0
    assert capsys.readouterr().out.endswith("\nconfiguration ok\n")


def test_what_print_config_shows_can_be_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    argv = [f"{option.flag}={option.kind.example}" for option in OPTIONS]
    machine = (
        "--app",
        "--spool",
        "--http-parser",
        "--backends-file=",
        "--subscribe-keys-dir",
        "--admin-token",
        "--tls-certificate",
    )
    argv = [word for word in argv if not word.startswith(machine)]
    argv += ["--threads=4", "--param=A=b c", "--backend-buffer-size=64000"]
    argv += ["--request-id=new", "--traceparent=new"]

    def shown(words: list[str]) -> list[str]:
        assert main(["--print-config", *words], {}) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.partition("  # ")[0].rstrip() for line in lines if line[:1] not in ("", "#")]

    first = shown(argv)
    again = ["--" + line.replace(" = ", "=", 1) for line in first if not line.endswith(" =")]
    assert shown(again) == first


POOLS = (
    [
        "--upstream=server unix:/a weight=5 max_fails=3 fail_timeout=30s;",
        "--upstream=unix:/b backup",
    ],
    ["--upstream='unix:/a b' max_conns=8 stats=unix:/s", "--check=stats", "--check=ping"],
    ["--upstream=app service=uwsgi", "--upstream=[::1]:3031 puwsgi keepalive=4"],
    ["--upstream=unix:@a", "--balance=hash", "--hash-key=$cookie_user$arg_id  # x"],
    ["--upstream=unix:/a", "--sticky-cookie=sticky cookie id expires=1h secure samesite=none;"],
    [
        "--upstream=unix:/a",
        r"""--check=http /a?b method=HEAD header='X: "\d{1,3}'  body="it's  # ok" """,
    ],
    ["--upstream=unix:/a", "--next-upstream=off", "--priority=/a=-10", "--priority=/b=1"],
    ["--subscribe=:2626", "--subscribe-allow=10.0.0.0/8, fd00::/8", "--subscribe-fallback-key=a.b"],
)
"""Beside each other, since not all of it goes together."""


@pytest.mark.parametrize("argv", POOLS, ids=lambda argv: argv[-1])
def test_a_pool_that_is_shown_can_be_given_again(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(words: list[str], environ: dict[str, str]) -> list[tuple[str, str]]:
        assert main(["--print-config", "--check-config", *words], environ) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if " =" in line]
        bare = (re.sub(r" +# (command line|UWSGI_FRONTEND_\w+)$", "", line) for line in lines[1:])
        return [(name, value.strip()) for name, _, value in (line.partition(" =") for line in bare)]

    first = shown(argv, {})
    given = [(name, value) for name, value in first if value]
    assert shown([f"--{name}={value}" for name, value in given], {}) == first
    environ: dict[str, list[str]] = {}
    for name, value in given:
        variable = "UWSGI_FRONTEND_" + name.upper().replace("-", "_")
        environ.setdefault(variable, []).append(value)
    assert shown([], {name: "\n".join(values) for name, values in environ.items()}) == first


def test_without_arguments_those_of_the_process_are_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["uwsgi-frontend", "--check-config"])
    monkeypatch.setenv("UWSGI_FRONTEND_UPSTREAM", "unix:/nonexistent/app.sock")
    assert main() == 0
    assert capsys.readouterr().out == "configuration ok\n"


def test_the_console_script_is_the_same_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["uwsgi-frontend", "--version"])
    assert importlib.import_module("proxy.__main__").main() == 0
    assert capsys.readouterr().out == version() + "\n"


def test_ctrl_c_while_it_is_imported_is_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "proxy.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "proxy.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert importlib.import_module("proxy.__main__").main() == 130

import io
from pathlib import Path

import pytest

from proxy.client.options import UsageError, read_options


def test_the_least() -> None:
    options = read_options(["unix:/s"])
    assert (options.method, options.path, options.body) == ("GET", "/", b"")
    assert (options.headers, options.params, options.timeout_s) == ([], [], None)


def test_data_makes_it_a_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"1\r\n2\n\xff")
    words = ["a:1", "/p", "-d", "a=b", "--data-binary", f"@{tmp_path}/f", "--data-raw", "@x"]
    options = read_options([*words, "-d", f"@{tmp_path}/f"])
    assert options.method == "POST"
    assert options.body == b"a=b&1\r\n2\n\xff&@x&12\xff"
    assert options.headers == [("Content-Type", "application/x-www-form-urlencoded")]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    assert read_options(["a:1", "--data-binary", "@-"]).body == b"from stdin"


def test_letters_run_together() -> None:
    options = read_options(["-siXPUT", "unix:/s", "-HX-A: 1", "/p", "-m", "1.5"])
    assert options.silent
    assert options.show_head
    assert (options.method, options.path, options.timeout_s) == ("PUT", "/p", 1.5)
    assert options.headers == [("X-A", "1")]


def test_headers_of_their_own() -> None:
    words = ["a:1", "-A", "me", "-b", "a=1", "-b", "b=2", "-u", "user:pass", "-H", "cookie: c=3"]
    assert read_options(words).headers == [
        ("User-Agent", "me"),
        ("Authorization", "Basic dXNlcjpwYXNz"),
        ("cookie", "c=3"),
    ]


def test_only_the_head() -> None:
    options = read_options(["a:1", "-I"])
    assert (options.method, options.show_head) == ("HEAD", True)


def test_what_uwsgi_is_told() -> None:
    options = read_options(["a:1", "--param", "A=b=c", "--modifier1", "5"])
    assert (options.params, options.modifiers) == ([("A", "b=c")], (5, 0))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a:1", "/", "more"],
        ["a:1", "--nonsense"],
        ["a:1", "-H", "nothing"],
        ["a:1", "--param", "=x"],
        ["a:1", "-m", "soon"],
        ["a:1", "--modifier1", "256"],
        ["a:1", "-X"],
    ],
)
def test_bad_usage(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_options(words)
    assert "\n" not in str(caught.value)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_options(["--help"])
    assert caught.value.code == 0
    assert "--data-binary" in capsys.readouterr().out

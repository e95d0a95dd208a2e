"""Loading the application, and the one line that says why it failed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.worker.target import WorkerError, check, is_loaded, load, report, report_loaded, split


@pytest.fixture(autouse=True)
def _fresh_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test has imported, and its search path."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("app", "parts"),
    [("a:b", ("a", "b")), ("pack.inner:site.app", ("pack.inner", "site.app"))],
)
def test_splits(app: str, parts: tuple[str, str]) -> None:
    assert split(app) == parts


@pytest.mark.parametrize("app", ["", "app", "app:", ":app", "a/b:c", "a:b:c", "a:b()"])
def test_says_what_the_form_is(app: str) -> None:
    with pytest.raises(WorkerError, match=r"not of the form package\.module:callable"):
        split(app)


def test_a_file_name_is_a_common_mistake() -> None:
    with pytest.raises(WorkerError, match=r"'site/app\.py:app' is not of the form"):
        split("site/app.py:app")
    with pytest.raises(WorkerError, match="names a file; the module is 'app'"):
        split("app.py:app")


def test_check_finds_a_module_in_the_directory_or_installed(app_dir: Path) -> None:
    for app in ("good:app", "pack.inner:site", "json:loads", "__main__:app"):
        check(app, str(app_dir))


def test_check_imports_nothing(app_dir: Path) -> None:
    check("broken:app", str(app_dir))
    assert "broken" not in sys.modules


def test_check_misses_a_top_level_module(app_dir: Path) -> None:
    with pytest.raises(WorkerError, match=f"no module named 'nowhere' in {app_dir}"):
        check("nowhere.at.all:app", str(app_dir))


def test_loads_a_callable(app_dir: Path) -> None:
    assert load("good:app", str(app_dir)).__name__ == "app"
    assert load("pack.inner:site.app", str(app_dir)).__name__ == "app"
    assert sys.path[0] == str(app_dir)


def test_the_directory_comes_before_installed_packages(app_dir: Path) -> None:
    (app_dir / "this.py").write_text("def app(): ...\n")
    assert load("this:app", str(app_dir)).__module__ == "this"


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("pack.outer:app", "no module named 'pack.outer' in "),
        ("good:application", r"has no 'application'; is it 'app'\?"),
        ("good:ap", r"has no 'ap'; is it 'app'\?"),
        ("broken:app", "'broken' fails to import: ZeroDivisionError: division by zero"),
        ("needs:app", "'needs' fails to import: ModuleNotFoundError: No module named 'a_package"),
        ("leaves:app", "'leaves' fails to import: SystemExit: configuration is missing"),
        ("garbled:app", r"'garbled' fails to import: SyntaxError: .*garbled\.py, line 1"),
        ("pack.inner:site", "'pack.inner:site' is not callable: it is of type Site"),
        ("pack.inner:nothing_like_it", "has no 'nothing_like_it'$"),
    ],
)
def test_says_why_it_cannot_load(app_dir: Path, app: str, reason: str) -> None:
    with pytest.raises(WorkerError, match=reason) as caught:
        load(app, str(app_dir))
    assert "\n" not in str(caught.value)


def test_shows_the_traceback_of_the_application_only(
    app_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerError):
        load("broken:app", str(app_dir))
    lines = capsys.readouterr().err.splitlines()
    assert "broken.py" in lines[1]
    assert "in helper" in "".join(lines)
    assert not any("importlib" in line or "target.py" in line for line in lines)


def test_a_missing_module_needs_no_traceback(
    app_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerError):
        load("nowhere:app", str(app_dir))
    assert capsys.readouterr().err == ""


def test_leaves_the_reason_in_a_file(tmp_path: Path) -> None:
    report(WorkerError("it is “broken”", "Traceback\n"), str(tmp_path / "failure"))
    assert (tmp_path / "failure").read_text(encoding="utf-8") == "it is “broken”\nTraceback\n"


def test_the_parent_can_see_whether_it_is_loaded(tmp_path: Path) -> None:
    failure = str(tmp_path / "failure")
    assert not is_loaded(failure)
    report_loaded(failure)
    assert is_loaded(failure)
    report_loaded(str(tmp_path / "gone" / "failure"))

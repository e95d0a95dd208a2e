"""The pytest plugin, installed with the package: a front end, its backends, and what went through.

Importing this must cost nothing: every test run on a machine where the package is installed does
it. So whatever is behind the fixtures is imported when the first test asks for it.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from proxy.testing.bench import Lab
    from proxy.testing.exchanges import Exchanges
    from proxy.testing.fake_backend import FakeBackend
    from proxy.testing.hosts import Hosts
    from proxy.testing.site import Site
    from proxy.worker.wsgi import Application

MARK = "uwsgi_frontend"

_EXCHANGES = pytest.StashKey["Exchanges"]()

_HOW = """\
no application to serve. Name it in one of three ways:
  - in the configuration of pytest:  uwsgi_app = mysite.wsgi:application
  - at a test:                       @pytest.mark.uwsgi_frontend(app="mysite.wsgi:application")
  - by a fixture of your own called wsgi_app, which returns a callable or such a name"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what can be set for all tests."""
    parser.addini("uwsgi_app", "The application to serve, as package.module:callable.")
    parser.addini(
        "uwsgi_options", "Options of the front end, one a line: name = value.", type="linelist"
    )
    group = parser.getgroup("uwsgi-frontend")
    group.addoption(
        "--uwsgi-topologies",
        default="uwsgi,frontend,nginx",
        metavar="NAMES",
        help="Which of uwsgi, frontend, nginx a test with the fixture `topology` runs over.",
    )
    group.addoption(
        "--uwsgi-require-topologies",
        action="store_true",
        help="Fail instead of skipping when one of them cannot be had on this machine.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(app=..., **options): what the fixtures uwsgi_frontend and topology serve, and "
        "options of the front end in snake_case",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show with a test that failed what went through its front ends."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and (seen := item.stash.get(_EXCHANGES, None)) is not None and len(seen):
        report.sections.append(("exchanges of the front end", str(seen)))


# -- what is served -------------------------------------------------------------------------------


@pytest.fixture
def wsgi_app(request: pytest.FixtureRequest) -> "str | Application":
    """The application under test: override this, or name it by mark or configuration."""
    app: str | Application = _marked(request).get("app") or request.config.getini("uwsgi_app")
    if not app:
        _refuse(_HOW)
    return app


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the keywords of all marks of a test, the closest one winning."""
    found: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers(MARK))):
        found |= mark.kwargs
    return found


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of the front end, from the configuration and from marks."""
    found: dict[str, Any] = {}
    for line in request.config.getini("uwsgi_options"):
        name, _, value = line.partition("=")
        found[name.strip().replace("-", "_")] = value.strip()
    found |= _marked(request)
    found.pop("app", None)
    for name in ("processes", "threads"):
        if name in found:
            if not str(found[name]).isdecimal():
                _refuse(f"the front end does not start: {name}={found[name]!r} is no number")
            found[name] = int(found[name])
    return found


def _refuse(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)


@pytest.fixture(scope="session")
def _uwsgi_hosts(pytestconfig: pytest.Config) -> "Iterator[Hosts]":
    """The worker processes, which the tests of a session share."""
    from proxy.testing.hosts import Hosts

    hosts = Hosts(str(pytestconfig.rootpath))
    yield hosts
    hosts.close()


# -- front ends -----------------------------------------------------------------------------------


@pytest.fixture
def exchanges(request: pytest.FixtureRequest) -> "Exchanges":
    """What went through the front ends of this test: one `Exchange` for each finished request."""
    from proxy.testing.exchanges import Exchanges

    seen: Exchanges = Exchanges()
    request.node.stash[_EXCHANGES] = seen
    return seen


@pytest.fixture
def frontend_factory(
    _uwsgi_hosts: "Hosts", exchanges: "Exchanges"
) -> "Iterator[Callable[..., Site]]":
    """Start front ends: `frontend_factory(upstream=..., **options)`, or `app=...`.

    They end with the test. Options are those of `proxy.Frontend`.
    """
    from proxy.testing.factory import start_site

    with ExitStack() as stack:

        def start(**options: Any) -> "Site":
            return stack.enter_context(start_site(_uwsgi_hosts, exchanges, options))

        yield _explaining(start)


@pytest.fixture
def uwsgi_frontend(
    request: pytest.FixtureRequest,
    wsgi_app: "str | Application",
    frontend_factory: "Callable[..., Site]",
) -> "Site":
    """Your application behind a front end: `.url`, `.get(path)`, `.exchanges`."""
    return frontend_factory(app=wsgi_app, **_options(request))


@pytest.fixture
def fake_backend() -> "Iterator[FakeBackend]":
    """A uwsgi backend that does what its `script` says, set at any time; it echoes at first."""
    from proxy.testing.fake_backend import FakeBackend

    with FakeBackend() as backend:
        yield backend


@pytest.fixture(params=("uwsgi", "frontend", "nginx"))
def topology(
    request: pytest.FixtureRequest,
    wsgi_app: "str | Application",
    _uwsgi_hosts: "Hosts",
    exchanges: "Exchanges",
    tmp_path: Path,
) -> "Iterator[Site]":
    """Your application behind uWSGI alone, this front end, and nginx: the test runs for each."""
    if request.param not in request.config.getoption("--uwsgi-topologies").split(","):
        pytest.skip("not among --uwsgi-topologies")
    from proxy.testing.topologies import Missing, Stage, serve

    with ExitStack() as stack:
        enter = _explaining(stack.enter_context)
        stage = Stage(_uwsgi_hosts, exchanges, tmp_path)
        try:
            site = enter(serve(request.param, wsgi_app, stage, _options(request)))
        except Missing as missing:
            message = f"{request.param}: {missing}"
        else:
            yield site
            return
    _do_without(request, message)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> "Lab":
    """Your application, measured: `assert lab.compare(a, b, scenario).p99_ratio < 1.5`."""
    from proxy.testing.bench import Lab

    return Lab(
        lambda: request.getfixturevalue("wsgi_app"),
        request.config.rootpath,
        lambda message: _do_without(request, message),
        _refuse,
    )


def _do_without(request: pytest.FixtureRequest, message: str) -> NoReturn:
    if request.config.getoption("--uwsgi-require-topologies"):
        _refuse(f"required, but not to be had: {message}")
    pytest.skip(message)


def _explaining(start: Callable[..., Any]) -> Callable[..., Any]:
    """Let what keeps something from starting be shown as it is, without our own frames."""

    def explained(*args: Any, **options: Any) -> Any:
        from proxy.exits import StartError
        from proxy.worker.target import WorkerError

        try:
            return start(*args, **options)
        except WorkerError as error:
            message = f"the application does not start: {error}\n\n{error.traceback}".rstrip()
        except (StartError, TypeError, ValueError) as error:
            message = f"the front end does not start: {error}"
        _refuse(message)

    return explained

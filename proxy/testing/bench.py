"""The lab as a fixture: the application of a test, served in two ways and compared.

It says what a machine lacks before anything is started, so that a test can be skipped for it, and
keeps tens of thousands of requests of a load out of the exchanges of the test.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn

from proxy.lab.comparison import ROUNDS, Comparer, Comparison
from proxy.lab.effort import Effort
from proxy.lab.load.latency import MissingPackage
from proxy.lab.processes import BenchError
from proxy.lab.stand.setup import Installed
from proxy.lab.stand.standing import Served
from proxy.lab.stand.topologies import select
from proxy.testing.site import Site
from proxy.testing.topologies import Missing, name_of
from proxy.worker.wsgi import Application

Side = str | Served

SECONDS = 0.5
"""Of one load, unless a test says otherwise."""


@dataclass(frozen=True)
class Lab:
    """What the fixture `lab` is."""

    app: Callable[[], str | Application] = field(repr=False)
    """Returns the application of the test, or does not when it has none."""
    directory: Path
    """Where that is looked for."""
    do_without: Callable[[str], NoReturn] = field(repr=False)
    """Ends a test that asks for what cannot be had here."""
    fail: Callable[[str], NoReturn] = field(repr=False)
    """Ends a test for which nothing could be measured."""

    def compare(
        self,
        a: Side,
        b: Side,
        scenario: str = "kept",
        *,
        rounds: int = ROUNDS,
        seconds: float = SECONDS,
        paths: Sequence[str] = ("/",),
    ) -> Comparison:
        """Measure two ways to serve the application, in pairs: see docs/lab.md.

        Args:
            a, b: names of topologies (`python -m proxy lab --list`), or what `frontend_factory`,
                `uwsgi_frontend` and `topology` return, or anything else with a `url`.
            scenario: the name of one.
            rounds: pairs; at least six.
            seconds: of each load.
            paths: what is asked for.
        """
        effort = Effort(rounds, rounds, seconds)
        end, why = self.fail, ""
        try:
            return self._compare((a, b), scenario, tuple(paths), effort)
        except Missing as missing:
            end, why = self.do_without, str(missing)
        except (BenchError, MissingPackage, ValueError) as error:
            why = f"nothing to compare: {error}"
        end(why)

    def _compare(
        self, both: tuple[Side, Side], scenario: str, paths: Sequence[str], effort: Effort
    ) -> Comparison:
        installed = _installed()
        names = [each for each in both if isinstance(each, str)]
        for topology in select(names) if names else []:
            _check(topology.front, topology.server, installed)
        app = self._app() if names else ""
        comparer = Comparer(app, self.directory, paths, effort, installed)
        with ExitStack() as stack:
            for each in both:
                if isinstance(each, Site):
                    stack.enter_context(each.exchanges.paused())
            return comparer.compare(*both, scenario)

    def _app(self) -> str:
        app = self.app()
        named = app if isinstance(app, str) else name_of(app)
        if not named:
            raise Missing(
                "the application is an object of this process, which other processes cannot "
                "import: let wsgi_app return 'package.module:callable'"
            )
        return named


@cache
def _installed() -> Installed:
    return Installed.look()


def _check(front: str, server: str, installed: Installed) -> None:
    if server == "uwsgi" and installed.uwsgi is None:
        raise Missing("uWSGI is not installed: pip install pyuwsgi")
    if server == "gunicorn" and not installed.gunicorn:
        raise Missing("gunicorn is not installed: pip install gunicorn")
    if front == "nginx" and not installed.nginx:
        raise Missing("nginx is not installed; on Debian: apt-get install nginx-light")

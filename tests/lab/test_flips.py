"""Verdicts of real runs: each turns round when the effect is taken away.

Real servers, real load, one round. The effects are far larger than what a busy machine does to
them: those who are hurt lose most of their requests, or a known one. That nobody is hurt is up to
the machine as well: so each is tried a few times (see `tries`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.lab import effort, probes
from proxy.lab.effort import Effort
from proxy.lab.load.ask import Wanted
from proxy.lab.probes import PROBES
from proxy.lab.processes import Daemon
from proxy.lab.report.results import Report
from proxy.lab.report.verdict import Verdict
from proxy.lab.report.verdicts import verdicts
from proxy.lab.runner import Asked, run
from proxy.lab.scenarios import Scenario
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, select, start
from tests.lab.needs import installed, needs_nginx
from tests.lab.tries import try_often

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

DIRECT, PROXY, NGINX = "uwsgi-direct", "proxy-uwsgi", "nginx-uwsgi"
ONCE = Effort(rounds=1, others=1, seconds=1.0)
THRICE = Effort(rounds=1, others=3, seconds=2.0)
"""Where latencies count: the machine may stand still in one round."""


def scenario(name: str, **change: Any) -> Scenario:
    (found,) = [each for each in effort.scenarios([name], False) if each.name == name]
    return replace(found, **change)


def measured(
    wish: Scenario,
    names: Sequence[str],
    setup: Setup,
    stands: dict[str, Stand] | None = None,
    effort: Effort = ONCE,
) -> Report:
    asked = Asked(select(list(names)), [wish], effort, standing=stands or {})
    report = run(asked, setup)
    assert [each.reason for each in report.topologies] == [""] * len(report.topologies)
    assert [row.reason for each in report.scenarios for row in each.rows] == [""] * len(names)
    return report


def verdict(report: Report, key: str) -> Verdict:
    (found,) = [each for each in verdicts(report) if each.key == key]
    return found


def setup_in(place: Path, **change: Any) -> Setup:
    return replace(Setup(place, installed=installed()), **change)


@contextmanager
def changed(
    names: Sequence[str], setup: Setup, change: Callable[[Stand], Stand]
) -> Iterator[dict[str, Stand]]:
    """Start real stands, and change what the lab thinks of them or does to them."""
    with ExitStack() as stack:
        yield {name: change(stack.enter_context(start(select([name])[0], setup))) for name in names}


@pytest.mark.parametrize("name", ["slow-uploads", "slow-downloads"])
def test_slow_clients(name: str, short_dir: Path) -> None:
    """Hurt with more slow clients than workers; not hurt with a worker left for the others."""
    wish, names = scenario(name), [DIRECT, PROXY]

    def with_two_slow_clients(stand: Stand) -> Stand:
        stand.setup = replace(stand.setup, processes=1)
        return stand

    def hurt() -> None:
        found = verdict(measured(wish, names, setup_in(short_dir), effort=THRICE), name)
        assert found.word == "front-end", found

    def not_hurt() -> None:
        setup = setup_in(short_dir, processes=4)
        with changed(names, setup, with_two_slow_clients) as stands:
            found = verdict(measured(wish, names, setup, stands, THRICE), name)
        assert found.word == "alike", found

    try_often(hurt)
    try_often(not_hurt)


@pytest.mark.parametrize("queue", [pytest.param(size, marks=needs_nginx) for size in (100, 1000)])
def test_a_burst(queue: int, short_dir: Path) -> None:
    """What a listen queue cannot hold, nginx answers with 502; what it can, it serves."""
    wish = scenario("burst", backlog=queue)

    def test() -> None:
        found = verdict(measured(wish, [DIRECT, PROXY, NGINX], setup_in(short_dir)), "burst")
        assert found.word == ("alone" if queue == 100 else "alike"), found
        if queue == 100:
            assert "Hurt by the burst: nginx before uWSGI (unix)." in found.answer

    try_often(test)


class Spared(Stand):
    """Nobody is killed."""

    def kill_worker(self, pid: int) -> None:
        """Leave it alone."""


@pytest.mark.parametrize(("kind", "word"), [(Stand, "front-end"), (Spared, "alike")])
def test_a_killed_worker(kind: type[Stand], word: str, short_dir: Path) -> None:
    """Alone the request that ran is lost; a front end asks again where it may."""

    def change(up: Stand) -> Stand:
        return kind(up.topology, up.setup, up.port, up.fronts, up.servers, up.config)

    def test() -> None:
        setup = setup_in(short_dir)
        with changed([DIRECT, PROXY], setup, change) as stands:
            report = measured(scenario("kill"), [DIRECT, PROXY], setup, stands)
        found = verdict(report, "kill")
        assert found.word == word, found
        posts = [row.samples[0].values["struck-POST:ok"] for row in report.scenarios[0].rows]
        assert posts == [kind is Spared] * 2

    try_often(test)


class Restarted(Stand):
    """Stopped and started again, by somebody who does not know how to reload."""

    def reload(self) -> None:
        """Start each application server anew."""
        for at, each in enumerate(self.servers):
            old = each.daemon
            old.stop()
            argv = list(map(str, old.popen.args))  # type: ignore[arg-type]
            new = Daemon.start("uwsgi", argv, old.log, self.setup.environment(), Path.cwd())
            self.servers[at] = replace(each, daemon=new)


def test_a_reload(short_dir: Path) -> None:
    """uWSGI's own keeps the socket, so nobody is hurt; a restart hurts those without a queue."""
    wish, setup, names = scenario("reload"), setup_in(short_dir), [DIRECT, PROXY]

    def restarted(up: Stand) -> Stand:
        return Restarted(up.topology, up.setup, up.port, up.fronts, up.servers, up.config)

    def not_hurt() -> None:
        found = verdict(measured(wish, names, setup), "reload")
        assert found.word == "alike", found

    def hurt() -> None:
        with changed(names, setup, restarted) as stands:
            try:
                found = verdict(measured(wish, names, setup, stands), "reload")
            finally:
                for stand in stands.values():
                    for daemon in stand.daemons:
                        daemon.stop()
        assert found.word == "front-end", found

    try_often(not_hurt)
    try_often(hurt)


HARMLESS = {
    "large-headers": Wanted("/.lab/headers", headers=(("Cookie", "c=" + "x" * 98),)),
    "chunked-upload": Wanted("/.lab/count", "POST", body="zeros:100000"),
    "unread-post": Wanted("/.lab/raise"),
    "exception": Wanted("/.lab/hello"),
    "crash": Wanted("/.lab/hello"),
}
"""Each probe without what makes it hard; the one that everybody passes with it."""
EXPECTED = {"large-headers": "100", "chunked-upload": "100000"}


def test_probes(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, keys = [DIRECT, PROXY], [each.name for each in PROBES]
    assert set(keys) == set(HARMLESS)
    hard = measured(scenario("probes"), names, setup_in(short_dir))
    answers = {key: verdict(hard, key) for key in keys}
    assert {key: found.word for key, found in answers.items()} == {
        "large-headers": "alike",  # refused to all, since it is more than uWSGI's buffer holds
        "chunked-upload": "front-end",
        "unread-post": "alike",
        "exception": "front-end",
        "crash": "front-end",
    }
    assert "Nobody was spared" in answers["large-headers"].answer
    assert answers["unread-post"].answer == "Yes, from everybody."

    easy = tuple(
        replace(each, wanted=HARMLESS[each.name], expected=EXPECTED.get(each.name, ""))
        for each in PROBES
    )
    monkeypatch.setattr(probes, "PROBES", easy)
    soft = measured(scenario("probes"), names, setup_in(short_dir))
    for key in set(keys) - {"unread-post"}:
        found = verdict(soft, key)
        assert (found.word, found.answer) == ("alike", "Yes, from everybody."), found
    assert verdict(soft, "unread-post").answer.startswith("No: ")

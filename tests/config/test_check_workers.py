"""Limits that cannot be shared out are refused, with the way out."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.check import check
from proxy.config.check_workers import complaints
from proxy.settings import (
    Address,
    BackendSettings,
    DiscoverySettings,
    QueueSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
    WorkerSettings,
)

HERE = Address(path="/run/app.sock")


def wrong(workers: int = 2, app: WorkerSettings | None = None, **upstream: object) -> list[str]:
    """Return the complaints about some settings."""
    settings = Settings(
        server=ServerSettings(workers=workers),
        upstream=UpstreamSettings(**upstream),  # type: ignore[arg-type]
        worker=app or WorkerSettings(),
    )
    return list(complaints(settings))


@pytest.mark.parametrize("name", ["max_conns", "keepalive"])
def test_a_backend_with_fewer_slots_than_workers(name: str) -> None:
    for value, workers in ((0, 2), (2, 2), (1, 1), (8, 3)):
        backend = BackendSettings(HERE, **{name: value})  # type: ignore[arg-type]
        assert wrong(workers, backends=(backend,)) == []
    (line,) = wrong(3, backends=(BackendSettings(HERE, **{name: 2}),))  # type: ignore[arg-type]
    assert line.startswith(f"--upstream unix:/run/app.sock: {name}=2 is less than one for each of")
    assert "--workers 3; take fewer workers" in line


def test_a_line_with_fewer_places_than_workers() -> None:
    for size in (0, 2):
        assert wrong(queue=QueueSettings(max_waiting=size)) == []
    (line,) = wrong(queue=QueueSettings(max_waiting=1))
    assert line == "--queue-size 1: less than one place for each of --workers 2"


def test_an_application_with_fewer_threads_than_workers() -> None:
    assert wrong(4, WorkerSettings("app", processes=1, threads=4)) == []
    (line,) = wrong(4, WorkerSettings("app", processes=1, threads=3))
    assert line.startswith("--workers 4: more than --processes 1 x --threads 3 of --app")


def test_a_line_of_the_file_of_backends(tmp_path: Path) -> None:
    (tmp_path / "backends").write_text("unix:/run/app.sock max_conns=1\n")
    discovery = DiscoverySettings(file=str(tmp_path / "backends"))
    settings = Settings(upstream=UpstreamSettings(discovery=discovery))
    assert check(settings) == []
    (line,) = check(replace(settings, server=ServerSettings(workers=2)))
    assert line.startswith(f"--backends-file {tmp_path}/backends:1: ")
    assert "max_conns=1 is less than one for each of --workers 2" in line

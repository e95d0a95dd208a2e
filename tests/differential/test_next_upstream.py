"""Rules 6.1 to 6.19: which backends a request is tried at, and which are left alone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.upstreams import DEFAULT, Case, Running, ask_nginx, ask_proxy, serving

pytestmark = pytest.mark.nginx


def each_method(
    backends: tuple[str, ...], get: int, post: int, conditions: str = DEFAULT
) -> Iterator[Case]:
    """Ask once with each method; PUT has a body like POST, and may be repeated like GET (6.3)."""
    for method, status in {"GET": get, "PUT": get, "DELETE": get, "POST": post}.items():
        yield Case(backends, (status,), (method,), conditions)


CASES = (
    # 6.1, 6.2, 6.3: what is an error or a timeout, and may be repeated
    *each_method(("closes", "ok"), 200, 502),
    *each_method(("resets", "ok"), 200, 502),
    *each_method(("half-head", "ok"), 200, 502),
    *each_method(("silent", "ok"), 200, 504),
    *each_method(("refused", "ok"), 200, 200),
    *each_method(("missing", "ok"), 200, 200),
    Case(("closes", "ok"), (502,), ("PATCH",)),
    Case(("closes", "ok"), (502,), ("LOCK",)),
    Case(("closes", "ok"), (200,), ("BREW",)),
    # one of the two only
    *each_method(("closes", "ok"), 502, 502, "timeout"),
    *each_method(("silent", "ok"), 504, 504, "error"),
    Case(("refused", "ok"), (502,), conditions="timeout"),
    # invalid_header
    *each_method(("garbage", "ok"), 502, 502),
    *each_method(("garbage", "ok"), 200, 502, "invalid_header"),
    *each_method(("wide", "ok"), 502, 502),
    *each_method(("wide", "ok"), 200, 502, "invalid_header"),
    Case(("closes", "ok"), (502,), conditions="invalid_header"),
    # statuses
    *(
        case
        for status in (500, 503, 403, 404, 429)
        for case in (
            Case((str(status), "ok"), (status,)),
            *each_method((str(status), "ok"), 200, status, f"http_{status}"),
            # 6.7: nothing left to try
            Case((str(status), str(status)), (status,), conditions=f"http_{status}"),
            Case((str(status),), (status, status), ("GET", "GET"), f"http_{status}"),
        )
    ),
    Case(("502", "ok"), (502,), conditions="error timeout http_500 http_503"),
    Case(("504", "ok"), (504,), conditions="error timeout http_500 http_503"),
    Case(("503", "500", "ok"), (500,), conditions="http_503"),
    Case(("503", "500", "ok"), (200,), conditions="http_503 http_500"),
    Case(("closes", "503", "ok"), (200,), conditions="error http_503"),
    # non_idempotent
    *each_method(("closes", "ok"), 200, 200, "error non_idempotent"),
    *each_method(("503", "ok"), 200, 200, "http_503 non_idempotent"),
    *each_method(("closes", "ok"), 502, 502, "non_idempotent"),
    # 6.8: off
    *each_method(("closes", "ok"), 502, 502, "off"),
    *each_method(("refused", "ok"), 502, 502, "off"),
    # 6.5: too late
    Case(("short", "ok"), (200,)),
    # 6.6, 6.9: how many, and whose answer
    Case(("closes", "closes", "ok"), (200,)),
    Case(("closes", "closes", "closes"), (502,)),
    Case(("closes", "silent"), (504,)),
    Case(("silent", "closes"), (502,)),
    *(
        Case(
            ("closes", "closes", "closes", "ok"),
            (status,),
            nginx=f"uwsgi_next_upstream_tries {tries};",
            proxy=("--next-upstream-tries", str(tries)),
        )
        for tries, status in {1: 502, 2: 502, 3: 502, 4: 200}.items()
    ),
    Case(
        ("refused", "closes", "ok"),
        (502,),
        nginx="uwsgi_next_upstream_tries 2;",
        proxy=("--next-upstream-tries", "2"),
    ),
    Case(
        ("silent", "ok"),
        (504,),
        nginx="uwsgi_next_upstream_timeout 100ms;",
        proxy=("--next-upstream-timeout", "0.1"),
    ),
    # 6.10, 6.11: what is a failure
    *(
        Case((bad, "ok"), (first, 200, 200, 200), ("GET",) * 4, "off")
        for bad, first in {
            "closes": 502,
            "resets": 502,
            "half-head": 502,
            "garbage": 502,
            "wide": 502,
            "silent": 504,
            "refused": 502,
            "missing": 502,
        }.items()
    ),
    *(
        Case((bad, "ok"), (status, 200, status, 200), ("GET",) * 4)
        for bad, status in {"short": 200, "500": 500, "503": 503, "404": 404, "429": 429}.items()
    ),
    *(
        Case((str(status), "ok"), (200,) * 6, ("GET",) * 6, f"http_{status}")
        for status in (403, 404, 429, 500, 503)
    ),
    Case(("503", "ok"), (503, 200, 503, 200), ("POST",) * 4, "http_503"),
    Case(("closes max_fails=0", "ok"), (200,) * 6, ("GET",) * 6),
    Case(("closes max_fails=3", "ok"), (200,) * 10, ("GET",) * 10),
    Case(("closes weight=5 max_fails=2", "ok", "ok"), (200,) * 14, ("GET",) * 14),
    # 6.14: a lone backend
    Case(("closes",), (502,) * 3, ("GET",) * 3),
    Case(("closes max_fails=1 fail_timeout=10s",), (502,) * 3, ("GET",) * 3),
    Case(("refused",), (502,) * 3, ("GET",) * 3),
    # 6.15: none is left
    Case(("closes", "closes"), (502,) * 3, ("GET",) * 3),
    Case(("closes", "silent"), (504, 502, 502), ("GET",) * 3),
    Case(("closes", "refused"), (502, 502), ("POST", "POST")),
    # 6.7: the trap
    Case(
        ("closes", "503"),
        (503, 502),
        ("GET", "GET"),
        "error http_503",
        differs="an application's answer is passed on when all others are paused",
        ours=(503, 503),
    ),
    # 6.17, 6.22: weights
    Case(("ok weight=5", "ok", "ok"), (200,) * 14, ("GET",) * 14),
    Case(("ok weight=3", "ok weight=2"), (200,) * 11, ("POST",) * 11),
    # 6.18: backups
    Case(("closes", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "ok backup"), (502, 200, 200), ("POST",) * 3),
    Case(("ok", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "closes backup", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "closes", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("503", "ok backup"), (200,) * 3, ("GET",) * 3, "http_503"),
    # 6.19: down
    Case(("ok down", "ok"), (200,) * 4, ("GET",) * 4),
    Case(("ok down", "closes"), (502,) * 3, ("GET",) * 3),
    Case(("ok down", "ok down"), (502,) * 2, ("GET",) * 2),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return nginx with all cases."""
    with serving(CASES, tmp_path_factory.mktemp("n")) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=str)
def test_next_upstream(running: Running, case: Case, tmp_path: Path) -> None:
    statuses, counts = ask_nginx(running, case)
    assert tuple(statuses) == case.statuses, "nginx"
    got = ask_proxy(case, tmp_path / "log")
    assert got == (list(case.ours) if case.differs else statuses, counts)
    assert not case.differs or got[0] != statuses, "no difference"

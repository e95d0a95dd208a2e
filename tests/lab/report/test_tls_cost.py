"""What TLS costs: the answer turns round with who pays, and without the effect."""

from proxy.lab.report import tls_cost
from proxy.lab.report.results import Report, Row
from tests.lab.made import TITLES, report, row, steady


def rows(name: str, plain_us: float, tls_us: float, *, app: bool = False) -> list[Row]:
    def values(us: float, at: int) -> dict[str, list[float]]:
        used = steady(us)[::at]
        return {"cpu_us": used, "p50_us": used, "app_us": used if app else steady(50.0)}

    return [row(f"{name}+plain", values(plain_us, 1)), row(f"{name}+tls", values(tls_us, -1))]


def made(nginx_us: float, proxy_us: float, plain_us: float = 100.0) -> Report:
    both = [*rows("nginx-uwsgi", plain_us, nginx_us), *rows("proxy-uwsgi", plain_us, proxy_us)]
    found = report(tls_new=both, tls_kept=both, tls_1m=both)
    for name in ("nginx-uwsgi", "proxy-uwsgi"):
        shown = next(each for each in found.topologies if each.name == f"{name}+tls")
        found.topologies.append(type(shown)(name, TITLES[name], "nginx"))
    return found


def word(found: Report) -> str:
    verdict = tls_cost.tls(found)
    assert verdict is not None
    return verdict.word


def test_the_answer_turns_round_with_the_effect() -> None:
    assert word(made(400.0, 900.0)) == "nginx-uwsgi"
    assert word(made(900.0, 400.0)) == "proxy-uwsgi"
    assert word(made(500.0, 500.0)) == "even"
    assert word(made(100.0, 100.0)) == "alike"


def test_the_answer_has_its_numbers() -> None:
    found = tls_cost.tls(made(400.0, 900.0))
    assert found is not None
    assert "nginx before uWSGI (unix) 300 us, this proxy before uWSGI (unix) 800 us" in found.answer
    assert "2,500 new connections for each second of a core" in found.answer
    assert "workers themselves" not in found.answer
    name, numbers = found.numbers[0]
    assert name == "nginx before uWSGI (unix)"
    assert "a new connection: +300 us" in numbers
    assert "a reply of 1 MB: +300 us" in numbers


def test_workers_that_pay_are_named() -> None:
    found = tls_cost.tls(report(tls_new=rows("uwsgi-direct", 100.0, 900.0, app=True)))
    assert found is not None
    assert found.word == "costs"
    assert "The workers themselves pay for it in: uwsgi-direct" in found.answer


def test_who_fails_or_has_no_pair_is_not_compared() -> None:
    assert tls_cost.tls(report()) is None
    assert tls_cost.tls(report(tls_new=rows("nginx-uwsgi", 1.0, 2.0)[1:])) is None
    broken = rows("nginx-uwsgi", 100.0, 200.0)
    broken[1].samples[0].outcomes = {"tls": 100}
    assert tls_cost.tls(report(tls_new=broken)) is None

"""What a killed worker costs: each answer turns round when the effect is taken away."""

from proxy.lab.report.killed import killed
from proxy.lab.report.results import Row
from proxy.lab.report.verdict import Verdict
from tests.lab.made import report, row

SAVED = {"ok": 1.0, "answered": 1.0}
TOLD = {"ok": 0.0, "answered": 1.0}
LOST = {"ok": 0.0, "answered": 0.0}


def struck(
    name: str, get: dict[str, float], post: dict[str, float], outcomes: dict[str, int] | None = None
) -> Row:
    values = {
        f"struck-{method}:{what}": [count, count]
        for method, seen in (("GET", get), ("POST", post))
        for what, count in {**seen, "asked": 1.0}.items()
    }
    return row(name, values, outcomes)


def judged(*rows: Row) -> Verdict:
    found = killed(report(kill=rows))
    assert found is not None
    return found


def test_who_asks_again_saves_what_may_be_asked_again() -> None:
    found = judged(struck("uwsgi-direct", LOST, LOST), struck("proxy-uwsgi", SAVED, TOLD))
    assert found.word == "front-end"
    assert found.answer == (
        "Lose the GET that the killed worker is at, or others beside it: uWSGI alone "
        "(--http-socket). Lose none: this proxy before uWSGI (unix). A POST is not repeated, and "
        "lost: with a 5xx from this proxy before uWSGI (unix), without an answer from the others."
    )
    title, numbers = found.numbers[1]
    assert title == "this proxy before uWSGI (unix)"
    assert numbers.startswith("GET saved 2 of 2; POST saved 0 of 2; beside it 200 of 200 answered")


def test_without_a_loss_it_is_alike() -> None:
    found = judged(struck("uwsgi-direct", SAVED, SAVED), struck("proxy-uwsgi", SAVED, SAVED))
    assert found.word == "alike"
    assert found.answer.startswith("Nobody loses the GET")
    assert "so perhaps done twice: uWSGI alone" in found.answer


def test_all_lose() -> None:
    found = judged(struck("uwsgi-direct", LOST, LOST), struck("nginx-uwsgi", TOLD, TOLD))
    assert found.word == "alike"
    assert "Nobody was spared" in found.answer


def test_others_that_are_lost_beside_it_count_as_well() -> None:
    many = {"ok": 100, "5xx": 40}
    found = judged(struck("uwsgi-direct", SAVED, TOLD), struck("nginx-uwsgi", SAVED, TOLD, many))
    assert found.word == "alone"


def test_an_older_report_knows_only_of_the_others() -> None:
    found = judged(row("uwsgi-direct", {"p50_us": [1.0]}), row("proxy-uwsgi", {"p50_us": [1.0]}))
    assert (found.word, "POST" in found.answer) == ("alike", False)
    assert killed(report()) is None

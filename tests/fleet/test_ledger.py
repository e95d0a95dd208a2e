"""What workers have counted: that of those who have ended, and of those who are silent."""

from proxy.control.numbers import empty
from proxy.fleet.ledger import Ledger
from proxy.fleet.member import Member
from proxy.telemetry.catalogue import EJECTIONS, SERVES, Entry
from proxy.telemetry.exposition import from_plain, to_plain
from proxy.telemetry.family import add


def worker(number: int, backend: str, ejections: int) -> Member:
    """Return one that knows a backend, and has ejected it so often."""
    member = Member(number, pid=1)
    families = []
    for entry, value in ((SERVES, 1), (EJECTIONS, ejections)):
        families.append(entry.family())
        add(families[-1], ("default", backend), value)
    member.numbers = to_plain(families)
    member.counts = {**empty(), "requests": ejections, "backends": {backend: {"attempts": 1}}}
    return member


def shown(ledger: Ledger, entry: Entry) -> list[float]:
    families = [one for plain in ledger.families([]) for one in from_plain(plain)]
    return [one.value for family in families if family.name == entry.name for one in family.samples]


def test_counts_stay_and_states_go() -> None:
    ledger = Ledger()
    ledger.retire(worker(0, "a", 2))
    ledger.retire(worker(0, "a", 3))
    assert shown(ledger, EJECTIONS) == [5]
    assert shown(ledger, SERVES) == []
    assert ledger.unheard([worker(1, "a", 7)])["requests"] == 12


def test_a_backend_is_forgotten_when_nobody_knows_it() -> None:
    ledger = Ledger()
    ledger.forget_gone([worker(0, "a", 0)])
    ledger.retire(worker(0, "a", 2))
    ledger.forget_gone([worker(0, "b", 0), worker(1, "a", 0)])
    assert shown(ledger, EJECTIONS) == [2]
    ledger.forget_gone([worker(0, "b", 0), worker(1, "b", 0)])
    assert shown(ledger, EJECTIONS) == []
    assert ledger.unheard([])["backends"] == {}
    assert ledger.unheard([])["requests"] == 2

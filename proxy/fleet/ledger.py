"""What workers have counted, also those that do not answer, or have ended: so no count goes back.

There are two sorts: the families of /metrics, and the few numbers of the page, which are asked for
each second. Of a worker that is silent the last ones count, and those of one that has ended stay.
What was about a backend ends with it: when no worker knows it any more.
"""

from collections.abc import Collection

from prometheus_client.core import Metric

from proxy.control.numbers import Numbers, add_up
from proxy.fleet.member import Member
from proxy.telemetry.catalogue import SERVES
from proxy.telemetry.exposition import Plain, from_plain, merge, remains, to_plain
from proxy.telemetry.labels import labels_from

_Backends = set[tuple[str, str]]
"""By upstream and name."""


class Ledger:
    """See the module."""

    def __init__(self) -> None:
        self._families: list[Metric] = []
        self._numbers: Numbers = {}

    def retire(self, member: Member) -> None:
        """A worker has ended."""
        self._families = merge([self._families, remains(from_plain(member.numbers))])
        self._numbers = add_up([self._numbers, member.counts])

    def families(self, members: Collection[Member]) -> list[Plain]:
        """Return the families of workers that run, as far as known, and of those that have run."""
        return [*(member.numbers for member in members), to_plain(self._families)]

    def unheard(self, silent: Collection[Member]) -> Numbers:
        """Return the page's numbers of those that have ended, and of these, which are silent."""
        return add_up([self._numbers, *(member.counts for member in silent)])

    def forget_gone(self, members: Collection[Member]) -> None:
        """Forget backends that none of these knows: they are all that there are, and serve."""
        if not self._families:
            return
        known: _Backends = set().union(*(_backends_in(member.numbers) for member in members))
        for family in self._families:
            family.samples = [
                one
                for one in family.samples
                if "backend" not in one.labels
                or (one.labels.get("upstream", ""), one.labels["backend"]) in known
            ]
        names = {name for _, name in known}
        old = self._numbers["backends"]
        self._numbers["backends"] = {name: of for name, of in old.items() if name in names}


def _backends_in(plain: Plain) -> _Backends:
    samples = [family["samples"] for family in plain if family["name"] == SERVES.name]
    labels = [labels_from(text) for each in samples for _, text, _ in each]
    return {(one["upstream"], one["backend"]) for one in labels}

"""Who is running: the topologies of a run, and the variants that its scenarios ask for.

Topologies are up for the whole run. Variants are up while scenarios that want them follow one
another. One that does not start is a name with a reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from proxy.lab.processes import BenchError, stop_all
from proxy.lab.report.results import Report, Shown
from proxy.lab.scenarios import Scenario
from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import Stand, Topology
from proxy.lab.stand.variants import Variant, base_of

Start = Callable[[Topology, Setup], Stand]


@dataclass(slots=True)
class Crew:
    """All running stands of a run; `stop` it in the end."""

    setup: Setup
    report: Report
    start_one: Start
    stands: dict[str, Stand] = field(default_factory=dict)
    """Of topologies as they are."""
    absent: dict[str, str] = field(default_factory=dict)
    """What did not start, and why."""
    _varied: dict[str, Stand] = field(default_factory=dict)
    _variants: tuple[Variant, ...] = ()

    def start(self, topologies: Sequence[Topology]) -> None:
        """Start topologies as they are."""
        for topology in topologies:
            stand = self._start(topology, self.setup)
            if stand is not None:
                self.stands[topology.name] = stand

    def called_up(self, wish: Scenario) -> list[str]:
        """Return who takes part in a scenario; those that were missing have been started, or are
        absent. Variants stand directly after what they vary.
        """
        if not wish.variants:
            self._dismiss()
            return list(self.stands)
        taking_part = [each for each in self.stands.values() if each.topology.name in wish.fit_for]
        if wish.variants != self._variants:
            self._dismiss()
            self._variants = wish.variants
        names = [stand.topology.name for stand in taking_part] if wish.as_it_is else []
        for stand, variant in product(taking_part, wish.variants):
            varied = variant.of(stand.topology)
            if varied.name not in self._varied and varied.name not in self.absent:
                self._vary(varied, variant)
            names.append(varied.name)
        order = list(self.stands)
        return sorted(names, key=lambda name: order.index(base_of(name)[0]))

    def stand(self, name: str) -> Stand:
        """Return one of those that run."""
        return self.stands[name] if name in self.stands else self._varied[name]

    def stop(self) -> None:
        """End everything."""
        running = [*self.stands.values(), *self._varied.values()]
        stop_all([daemon for stand in running for daemon in stand.daemons])

    def _vary(self, topology: Topology, variant: Variant) -> None:
        stand = self._start(topology, self.setup, variant.change)
        if stand is not None:
            self._varied[topology.name] = stand

    def _start(
        self,
        topology: Topology,
        setup: Setup,
        change: Callable[[Setup], Setup] = lambda setup: setup,
    ) -> Stand | None:
        shown = Shown(topology.name, topology.title, topology.front)
        self.report.topologies.append(shown)
        try:
            stand = self.start_one(topology, change(setup))
        except BenchError as error:
            self.absent[topology.name] = shown.reason = str(error)
            return None
        shown.facts, shown.config = stand.facts, stand.config
        return stand

    def _dismiss(self) -> None:
        stop_all([daemon for stand in self._varied.values() for daemon in stand.daemons])
        self._varied, self._variants = {}, ()

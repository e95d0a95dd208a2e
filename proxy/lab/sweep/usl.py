"""The universal scalability law, fitted to measured throughput.

Pure. With N workers, X(N) = rate * N / (1 + contention * (N-1) + coherence * N(N-1)) (Gunther).
Contention is what they wait for one after the other (a lock, a core), coherence what each costs all
others (caches, schedulers). N / X(N) is linear in what is looked for, so the fit is a small least
squares problem of relative errors, with neither of the two below zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

LEAST_POINTS = 3
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Usl:
    """A fitted law."""

    rate: float
    """Of one worker, per second."""
    contention: float
    coherence: float
    error: float
    """Root of the mean square of the relative errors at the measured points."""

    def at(self, workers: float) -> float:
        """Return the throughput with so many workers."""
        slowed = 1 + self.contention * (workers - 1) + self.coherence * workers * (workers - 1)
        return self.rate * workers / slowed

    @property
    def peak(self) -> float:
        """The number of workers from which on more of them do less; infinite if there is none."""
        if self.coherence < _TINY:
            return math.inf
        return math.sqrt(max(1 - self.contention, 0.0) / self.coherence)

    @property
    def ceiling(self) -> float:
        """The most that any number of workers can do; infinite if there is no bound."""
        if self.coherence >= _TINY:
            return self.at(max(self.peak, 1.0))
        return self.rate / self.contention if self.contention > _TINY else math.inf


def fit(points: Sequence[tuple[float, float]]) -> Usl | None:
    """Return the law that fits best; None for fewer than three different numbers of workers.

    Args:
        points: (workers, throughput), throughput above zero.
    """
    if len({n for n, _ in points}) < LEAST_POINTS:
        return None
    best: Usl | None = None
    columns = (lambda n: n - 1, lambda n: n * (n - 1))
    for used in (chosen for size in (0, 1, 2) for chosen in combinations((0, 1), size)):
        rows = [[1.0, *(columns[at](n) for at in used)] for n, _ in points]
        solved = _least_squares(rows, [n / x for n, x in points])
        if solved is None or solved[0] <= 0 or any(each < 0 for each in solved[1:]):
            continue
        shares = {at: value / solved[0] for at, value in zip(used, solved[1:], strict=True)}
        made = Usl(1 / solved[0], shares.get(0, 0.0), shares.get(1, 0.0), 0.0)
        errors = [(made.at(n) / x - 1) ** 2 for n, x in points]
        made = Usl(made.rate, made.contention, made.coherence, math.sqrt(sum(errors) / len(errors)))
        if best is None or made.error < best.error - _TINY:
            best = made
    return best


def _least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float] | None:
    """Solve by the normal equations, each row weighed so that relative errors count alike."""
    size = len(rows[0])
    weights = [1 / each**2 for each in wanted]
    matrix = [
        [_sum(weights, rows, i, [row[j] for row in rows]) for j in range(size)]
        + [_sum(weights, rows, i, wanted)]
        for i in range(size)
    ]
    for at in range(size):
        pivot = max(range(at, size), key=lambda line: abs(matrix[line][at]))
        if abs(matrix[pivot][at]) < _TINY:
            return None
        matrix[at], matrix[pivot] = matrix[pivot], matrix[at]
        matrix[at] = [each / matrix[at][at] for each in matrix[at]]
        for line in range(size):
            if line != at:
                factor = matrix[line][at]
                matrix[line] = [
                    a - factor * b for a, b in zip(matrix[line], matrix[at], strict=True)
                ]
    return [line[-1] for line in matrix]


def _sum(
    weights: Sequence[float], rows: Sequence[Sequence[float]], column: int, by: Sequence[float]
) -> float:
    return sum(w * row[column] * y for w, row, y in zip(weights, rows, by, strict=True))

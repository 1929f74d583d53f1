"""What may happen in a case, by its seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

PROFILES: dict[str, dict[str, Any]] = {
    "calm": {"lost": 0.02, "again": 0.02, "slow": 0.05, "longest": 0.4},
    "rough": {"lost": 0.1, "again": 0.2, "slow": 0.2, "longest": 4.0},
    "sluggish": {"lost": 0.15, "again": 0.1, "slow": 0.1, "longest": 1.0},
    "wild": {"lost": 0.25, "again": 0.3, "slow": 0.3, "longest": 30.0},
}
"""Chances of a message and of a question to the database or the keeper, and seconds."""

STALE = 0.25
"""How many of the cases have answers above all that are older than what has become of runs."""

FAULTY_SECONDS = 40.0
"""After which nothing more goes wrong; what is late still comes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A case: what is done in it, and how much goes wrong."""

    seed: int
    workers: int
    places: int
    runs: int
    lost: float
    again: float
    slow: float
    longest: float
    late_seconds: float
    kills: tuple[float, ...]
    cuts: tuple[tuple[float, float], ...]
    ended_by_others: float
    has_tombstones: bool
    killed_asking: float
    held: float
    max_payload: int
    flush_seconds: float
    copy: "Copy | None" = None

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Draw a case.

        Its keepers have no tombstones where no worker is killed and the keeper's answers come in
        order: there the intake is all that there is.
        """
        chance = random.Random(seed)
        profile = PROFILES[chance.choice([*PROFILES])]
        kills = chance.choice([0, 0, 1, 2])
        plan = cls(
            seed=seed,
            workers=chance.choice([1, 1, 2]),
            places=chance.choice([1, 2, 4]),
            runs=chance.randint(2, 6),
            **profile,
            late_seconds=chance.choice([0.0, 1.0, 10.0, 100.0]),
            kills=tuple(sorted(chance.uniform(0.0, FAULTY_SECONDS) for _ in range(kills))),
            cuts=_cuts(chance),
            ended_by_others=chance.choice([0.0, 0.0, 0.3]),
            has_tombstones=kills > 0,
            killed_asking=0.15 if kills else 0.0,
            held=chance.choice([0.0, 0.7]),
            max_payload=chance.choice([1024 * 1024, 5600]),
            flush_seconds=chance.choice([0.2, 5.0]),
        )
        plan = plan.with_answers_of_before if chance.random() < STALE else plan
        return replace(plan, copy=Copy.of(random.Random(f"copies {seed}")))

    @property
    def with_answers_of_before(self) -> "Plan":
        """The same, with answers that are older than what has become of runs since."""
        return replace(
            self,
            **PROFILES["sluggish"],
            places=4,
            runs=8,
            kills=(),
            has_tombstones=False,
            killed_asking=0.0,
            held=1.0,
            max_payload=5600,
            flush_seconds=5.0,
        )

    @property
    def calm(self) -> "Plan":
        """The same, with nothing going wrong any more."""
        return replace(self, lost=0.0, again=0.0, slow=0.0, killed_asking=0.0, held=0.0)


@dataclass(frozen=True, slots=True)
class Copy:
    """When the state directory of a host is copied, and another worker is started with the copy.

    From `dies` to `returns` the first one has no worker; None: it always has one, or never again.
    """

    made: float
    starts: float
    dies: float | None
    returns: float | None

    @classmethod
    def of(cls, chance: random.Random) -> "Copy | None":
        """Draw one; in most cases there is none."""
        if chance.random() < 0.6:
            return None
        made = chance.uniform(0.0, FAULTY_SECONDS)
        starts = made + chance.choice([0.0, 5.0, 50.0, 120.0])
        dies = chance.choice([None, made + chance.uniform(0.0, 20.0)])
        returns = None if dies is None else chance.choice([None, dies + chance.uniform(1.0, 200.0)])
        return cls(made, starts, dies, returns)


def _cuts(chance: random.Random) -> tuple[tuple[float, float], ...]:
    """Return when no message comes through: sometimes for longer than a lease."""
    cuts = []
    for _ in range(chance.choice([0, 0, 1, 2])):
        begin = chance.uniform(0.0, FAULTY_SECONDS)
        cuts.append((begin, begin + chance.choice([1.0, 8.0, 40.0])))
    return tuple(cuts)


class Chance:
    """The chances of a case, which change once nothing more is to go wrong."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = random.Random(f"chances {plan.seed}")

    def calm_down(self) -> None:
        """Let nothing more go wrong."""
        self.plan = self.plan.calm

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def seconds(self) -> float:
        """Return how long something takes."""
        if self.happens(self.plan.slow):
            return self.random.uniform(0.0, self.plan.longest)
        return self.random.uniform(0.0005, 0.02)

    def late(self) -> float:
        """Return how much later something comes a second time."""
        return self.seconds() + self.random.uniform(0.0, self.plan.late_seconds)

    def one_of(self, choices: Sequence[float]) -> float:
        return self.random.choice(choices)

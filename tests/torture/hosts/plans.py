"""What the runs of many hosts note beside their lines: when, where, and how far they are."""

import random
from dataclasses import dataclass, replace

from tests.torture.hosts.oracle import RETRY, WAIT
from tests.torture.plans import Plan

LASTING_SECONDS = (75, 150)

STOPPED = 0.15
"""Of runs that last, those that somebody stops at any time, but for runs that are tried again."""

LASTING = """\
i=0 x={seed}
while [ $i -lt {lines} ]; do
    i=$((i + 1)) x=$(((x * 69069 + 12345) % 16777216))
    echo "$i $x {payload}" >&$((1 + (x / 65536) % 2))
    note line
    sleep {pause}
done
"""
"""What lasts notes each line once it has written it."""

ENDED = ': >"ends/$TAILRUN_RUN_ID"'
NOTES = """\
note() {{ read -r at _ </proc/uptime; echo "$1 '{key}' $0 $at" >>"notes/$TAILRUN_RUN_ID"; }}
note start
(while sleep 0.2; do note alive; done) >&- 2>&- <&- &
"""
"""What a script notes of itself: a word, its key, where it was started from, the moment."""


@dataclass(frozen=True)
class PooledPlan(Plan):
    """A run of a pool; None: of the host of whichever server is asked."""

    pool: str | None = None
    on_unreachable: str = WAIT

    @property
    def lasts(self) -> bool:
        """Whether it goes on for longer than until it may be given up."""
        return self.template == LASTING

    @property
    def script(self) -> str:
        """The script that does it, and notes when."""
        frame = super().script
        assert frame.count(ENDED) == 1
        return NOTES.format(key=self.name.replace(" ", "-")) + frame.replace(
            ENDED, f"{ENDED}; note end"
        )


def lasting(drawn: Plan, on_unreachable: str, random: random.Random) -> PooledPlan:
    """Return a run of this policy that goes on for longer than until it may be given up."""
    stopped = random.random() < STOPPED and on_unreachable != RETRY
    lasts = replace(
        drawn,
        template=LASTING,
        lines=random.randint(*LASTING_SECONDS),
        pause=1.0,
        stop_after=random.uniform(5, 90) if stopped else None,
        habit=None,
    )
    return PooledPlan(**vars(lasts), pool="all", on_unreachable=on_unreachable)


def pooled(plan: Plan) -> PooledPlan:
    """Return a plan of a run of many hosts, which is what it is."""
    assert isinstance(plan, PooledPlan)
    return plan

"""What the runs of a torture do: scripts whose every byte and whose end are known beforehand."""

import random
from dataclasses import dataclass
from functools import lru_cache

MULTIPLIER, INCREMENT, MODULUS = 69069, 12345, 2**24
"""Each line's number comes from the one before (a linear congruential generator): exact in the
shell's integers and in awk's floating point."""

WORDS = ("tail", "run", "keeper", "übermäßig", "€uro", "日本語", "😀", "-", "…", "0123456789")
UNFINISHED = "no newline follows"

SHELL = """\
i=0 x={seed}
while [ $i -lt {lines} ]; do
    n=$((i + {burst})); [ $n -gt {lines} ] && n={lines}
    while [ $i -lt $n ]; do
        i=$((i + 1)) x=$(((x * 69069 + 12345) % 16777216))
        echo "$i $x {payload}" >&$((1 + (x / 65536) % 2))
    done
    sleep {pause}
done
"""

AWK = """\
awk 'BEGIN {{ x = {seed}
    for (i = 1; i <= {lines}; i++) {{ x = (x * 69069 + 12345) % 16777216; print i, x, "{payload}" }}
}}'
sleep {pause}
"""

HABITS = (
    "mkdir build pipe",
    "mkdir -p output",
    "date > output",
    "seq 5 | tee -a output > exit.json",
    "mkfifo output run.json exit.json",
    "echo 1 > run.json; ln -s / stop.json",
    "echo important > result; chmod 500 .",
    "touch locked; chattr +i locked 2>&- || true",
    'seq 300 | xargs touch; rm -rf "$PWD" 2>&-',
    '(while mkdir -p "$PWD"/a/b; do sleep 0.05; done) >&- 2>&- &',
)
"""What scripts do beside themselves, in good faith: nobody is to notice."""

FRAME = """\
echo $$ >>"starts/$TAILRUN_RUN_ID"
{habit}{background}{body}{unfinished}: >"ends/$TAILRUN_RUN_ID"
{end}
"""


@dataclass(frozen=True)
class Plan:
    """One run: numbered lines with a seeded payload, and how it ends.

    The script notes each start of its own as a line in `starts/`, and in `ends/` that it has
    written everything. `exitcode` or `signal` is how it then ends, the other one is None.
    """

    name: str
    template: str
    seed: int
    lines: int
    burst: int
    pause: float
    payload: str
    unfinished: bool
    background: bool
    exitcode: int | None
    signal: str | None
    stop_after: float | None
    habit: str | None = None

    @classmethod
    def draw(cls, name: str, random: random.Random) -> "Plan":
        """Draw a run: most of them write for some seconds, some at once, some nothing."""
        template, lines, burst, pause = random.choice(
            [
                (SHELL, random.randint(200, 4000), random.randint(20, 200), 0.05),
                (SHELL, random.randint(100, 3000), random.randint(50, 1000), 0.2),
                (SHELL, random.randint(10, 100), 2, 0.2),
                (AWK, random.randint(1000, 10000), 1, random.uniform(0, 3)),
                (AWK, random.choice([0, 1, 300]), 1, random.uniform(0, 0.1)),
            ]
        )
        signalled = random.random() < 0.2
        return cls(
            name=name,
            template=template,
            seed=random.randrange(MODULUS),
            lines=lines,
            burst=burst,
            pause=round(pause, 3),
            payload=" ".join(random.choices(WORDS, k=random.randint(1, 8))),
            unfinished=random.random() < 0.2,
            background=random.random() < 0.1,
            exitcode=None if signalled else random.choice([0, 0, 1, 7, 137, 255]),
            signal=random.choice(["KILL", "TERM", "HUP", "USR1"]) if signalled else None,
            stop_after=random.uniform(0, 4) if random.random() < 0.1 else None,
            habit=random.choice(HABITS) if random.random() < 0.2 else None,
        )

    @property
    def script(self) -> str:
        """The script that does it."""
        body = self.template.format(
            seed=self.seed,
            lines=self.lines,
            burst=self.burst,
            pause=self.pause,
            payload=self.payload,
        )
        return FRAME.format(
            habit=f'(cd "$(dirname "$0")" && {self.habit})\n' if self.habit else "",
            background="sleep 600 &\n" if self.background else "",
            body=body,
            unfinished=f"printf '{UNFINISHED}'\n" if self.unfinished else "",
            end=f"exit {self.exitcode}" if self.signal is None else f"kill -{self.signal} $$",
        )

    @property
    def output(self) -> bytes:
        """All that it writes."""
        return _output(self)

    @property
    def end(self) -> tuple[str, int | None, str | None]:
        """State, exit code and signal when nobody interferes."""
        if self.signal is not None:
            return "failed", None, f"SIG{self.signal}"
        return "failed" if self.exitcode else "succeeded", self.exitcode, None


@lru_cache(maxsize=200)
def _output(plan: Plan) -> bytes:
    number, lines = plan.seed, []
    for line in range(1, plan.lines + 1):
        number = (number * MULTIPLIER + INCREMENT) % MODULUS
        lines.append(f"{line} {number} {plan.payload}\n")
    return "".join([*lines, UNFINISHED * plan.unfinished]).encode()

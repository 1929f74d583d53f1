# ruff: noqa: RUF001  a multiplication sign is meant
"""The marks: what Tailrun promises, as ratios of what was measured in one session."""

from bench.aged import BEFORE_MB
from bench.growth import CPU, CPU_OF_RUN, CPU_OF_VIEWER, WALL
from bench.samples import Mark
from bench.throughput import MEMORY_SPEED, PRINTING

FLAT = 1.2
"""How much more a byte, a viewer or a run may cost among very many than among few."""

_WEBSOCKETD = ("delivered", f"websocketd, {MEMORY_SPEED}")

MARKS = (
    [
        mark
        for kind in ("raw", "json")
        for mark in (
            Mark(
                measure="throughput",
                text=f"{kind}: delivered, × websocketd",
                over=("delivered", f"tailrun {kind}, {MEMORY_SPEED}"),
                under=_WEBSOCKETD,
                least=15,
            ),
            *(
                Mark(
                    measure="throughput",
                    text=f"{kind}: delivered, × the bare command ({name})",
                    over=("delivered", f"tailrun {kind}, {name}"),
                    under=("delivered", f"bare command, {name}"),
                    least=0.5,
                )
                for name in (MEMORY_SPEED, PRINTING)
            ),
            Mark(
                measure="throughput",
                text=f"{kind}: archived, × websocketd's delivery",
                over=("archived", f"tailrun {kind}, {MEMORY_SPEED}"),
                under=_WEBSOCKETD,
                least=5,
            ),
            Mark(
                measure="throughput",
                text=f"{kind}: archived, MB/s",
                over=("archived", f"tailrun {kind}, {MEMORY_SPEED}"),
                least=100,
            ),
        )
    ]
    + [
        Mark(
            measure="latency",
            text="text: median, × websocketd",
            over=("median", "tailrun text"),
            under=("median", "websocketd"),
            most=2,
        ),
        Mark(
            measure="latency",
            text="text: 99th percentile, ms",
            over=("99th percentile", "tailrun text"),
            most=2,
        ),
        Mark(
            measure="latency",
            text="text: median, × cronstable",
            over=("median", "tailrun text"),
            under=("median", "cronstable"),
            most=1.2,
        ),
        *(
            Mark(
                measure="latency",
                text=f"text, beside a loud run: {figure}, × websocketd",
                over=(figure, "tailrun text, beside a loud run"),
                under=(figure, "websocketd, beside a loud run"),
                most=2,
            )
            for figure in ("median", "99th percentile")
        ),
        *(
            Mark(
                measure="starts",
                text=f"started and archived, × {who}",
                over=("started and archived", "tailrun"),
                under=("started and ended", who),
                least=least,
            )
            for who, least in (("procrastinate", 1), ("cronstable", 0.7))
        ),
        Mark(
            measure="starts",
            text="started and archived, × bare asyncio",
            over=("started and archived", "tailrun"),
            under=("started and archived", "bare asyncio"),
            least=0.5,
        ),
    ]
    + [
        mark
        for megabytes in BEFORE_MB
        for mark in (
            Mark(
                measure="aged",
                text=f"after {megabytes:,} MB: median, × websocketd",
                over=("median", f"after {megabytes:,} MB"),
                under=("median", "websocketd"),
                most=2,
            ),
            Mark(
                measure="aged",
                text=f"after {megabytes:,} MB: 99th percentile, ms",
                over=("99th percentile", f"after {megabytes:,} MB"),
                most=2,
            ),
        )
    ]
    + [
        Mark(measure="late viewer", text=f"{who}: MB/s", over=("all", who), least=least)
        for who, least in (("spool, raw", 200), ("archive, raw", 100), ("archive, zstd", 300))
    ]
    + [
        Mark(measure="late viewer", text=f"{figure}, {who}: ms", over=(figure, who), most=20)
        for figure, who in (
            ("first byte", "spool, raw"),
            ("first byte", "archive, raw"),
            ("last 100 lines", "archive"),
            ("100 lines in the middle", "archive"),
        )
    ]
    + [
        Mark(measure=measure, text=f"{figure}: {unit}", over=(figure, who), most=most)
        for measure, who, figure, unit, most in (
            ("crowd", "500 viewers", "99th percentile", "ms", 50),
            ("crowd", "500 viewers", "server CPU", "cores", 1),
            ("crowd", "500 viewers", "memory a viewer", "kB", 40),
            ("many runs", "500 runs", "service CPU", "cores", 0.5),
            ("many runs", "500 runs", "memory a run", "kB", 100),
            ("listing", "100,000 commands, 1,000,000 runs", "slowest list, median", "ms", 10),
            ("large run", "10,000 MB", "memory of the server, growth", "MB", 32),
            ("large run", "10,000 MB", "memory of the keeper, growth", "MB", 0.5),
        )
    ]
    + [
        Mark(
            measure="growth",
            text=f"{figure}: {most}, × {than}",
            over=(figure, most),
            under=(figure, than),
            most=FLAT,
        )
        for figure, most, *others in (
            (CPU, "10,000 MB", "1 MB", "100 MB"),
            (WALL, "10,000 MB", "1 MB", "100 MB"),
            (CPU_OF_VIEWER, "1,000 viewers", "1 viewer", "100 viewers"),
            (CPU_OF_RUN, "1,000 runs", "1 run", "100 runs"),
        )
        for than in others
    ]
)

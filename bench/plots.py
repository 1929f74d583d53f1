"""The curves of the figures, as PNG files: medians, with the least and the most as bars."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bench import aged, growth, throughput
from bench.samples import Row, Sample, number, rows

INCHES = (8.0, 4.5)
DOTS_AN_INCH = 120
ROOM = 2
"""Below and above the curves, as a factor: so that a flat one looks flat."""

COLOURS = ("#1f5fa8", "#c8501e", "#3f8f4f")


class Chart(NamedTuple):
    """A plot of figures of one measure, each over the detail `over`, both axes logarithmic."""

    name: str
    measure: str
    title: str
    over: str
    across: str
    upwards: str
    figures: Sequence[str]


CHARTS = (
    Chart(
        "growth-bytes",
        growth.MEASURE,
        "What a megabyte costs, watched and archived",
        "MB",
        "output of the run (MB)",
        "ms a MB",
        (growth.CPU, growth.WALL, growth.BARE),
    ),
    Chart(
        "growth-viewers",
        growth.MEASURE,
        "What a viewer of 100 lines a second costs the server",
        "viewers",
        "viewers of the run",
        "CPU ms a second and viewer",
        (growth.CPU_OF_VIEWER,),
    ),
    Chart(
        "growth-latency",
        growth.MEASURE,
        "How long a line takes to its viewers, 100 lines a second",
        "viewers",
        "viewers of the run",
        "99th percentile, write to viewer (ms)",
        (growth.DELAY,),
    ),
    Chart(
        "growth-runs",
        growth.MEASURE,
        "What a run that writes a line a second costs the service",
        "runs",
        "concurrent runs",
        "CPU ms a second and run",
        (growth.CPU_OF_RUN,),
    ),
    Chart(
        "latency-aged",
        aged.MEASURE,
        "How long a line takes to its viewer, by the run's output before",
        "MB before",
        "output before (MB)",
        "write to viewer (ms)",
        ("median", "99th percentile"),
    ),
)


def draw(samples: Iterable[Sample]) -> Iterator[tuple[str, Figure]]:
    """Iterate over the plots of what was measured, and their names."""
    found = list(rows(samples))
    for chart in CHARTS:
        curves = {figure: _points(found, chart, figure) for figure in chart.figures}
        if any(len(points) > 1 for points in curves.values()):
            yield chart.name, _curves(chart, curves)
    bars = [row for row in found if row.measure == throughput.MEASURE]
    if bars:
        yield "throughput", _bars(bars)


def write(directory: Path, stems: Sequence[str], samples: Iterable[Sample]) -> None:
    """Write the plots beside the report."""
    for name, figure in draw(samples):
        for stem in stems:
            figure.savefig(directory / f"{stem}-{name}.png", dpi=DOTS_AN_INCH)


def _points(found: Iterable[Row], chart: Chart, figure: str) -> list[Row]:
    return [
        row
        for row in found
        if (row.measure, row.figure) == (chart.measure, figure) and chart.over in row.details
    ]


def _curves(chart: Chart, curves: dict[str, list[Row]]) -> Figure:
    figure, axes = _axes(chart.title)
    for (label, points), colour in zip(curves.items(), COLOURS, strict=False):
        axes.errorbar(
            [row.details[chart.over] for row in points],
            [row.median for row in points],
            yerr=_spread(points),
            marker="o",
            capsize=3,
            label=label,
            color=colour,
        )
        for row in points:
            at = (row.details[chart.over], row.median)
            axes.annotate(number(row.median), at, (6, 6), textcoords="offset points", color=colour)
    drawn = [row for points in curves.values() for row in points]
    axes.set(xlabel=chart.across, ylabel=chart.upwards, xscale="log", yscale="log")
    axes.set_ylim(min(row.least for row in drawn) / ROOM, max(row.most for row in drawn) * ROOM)
    axes.set_xticks(sorted({row.details[chart.over] for row in drawn}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.margins(x=0.08)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    return figure


def _bars(found: Sequence[Row]) -> Figure:
    figure, axes = _axes("One run of a million lines to one viewer")
    who = list(dict.fromkeys(row.who for row in found))
    kinds = list(dict.fromkeys(row.figure for row in found))
    thick = 0.8 / len(kinds)
    for place, kind in enumerate(kinds):
        group = [row for row in found if row.figure == kind]
        at = [who.index(row.who) + place * thick for row in group]
        values = [row.median for row in group]
        bars = axes.barh(
            at, values, thick, xerr=_spread(group), label=kind, color=COLOURS[place], capsize=2
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=4)
    axes.set(xlabel="MB/s", yticks=[place + thick / 2 for place in range(len(who))])
    axes.set_yticklabels(who)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.legend()
    return figure


def _axes(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _spread(points: Sequence[Row]) -> list[list[float]]:
    """Return how far the least and the most are from the medians."""
    return [[row.median - row.least for row in points], [row.most - row.median for row in points]]

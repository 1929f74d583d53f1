"""The table of all figures and marks: as text, as Markdown, and in the README."""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.marks import BEYOND, MARKS
from bench.session import Figure, Key

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).with_name("README.md")
FIGURES = ("measure", "figure", "who", "median", "least … most", "n", "busy", "details")
MARKS_FOUND = ("measure", "figure", "mark", "found", "")
Samples = Mapping[Key, Sequence[tuple[Figure, float]]]


def write(facts: Mapping[str, str], samples: Samples, title: str | None) -> str:
    """Write a report; one with a title replaces that title's, and its marks in the README."""
    told = " · ".join(f"{name} {value}" for name, value in facts.items())
    figures = _table(FIGURES, [_cells(key, group) for key, group in samples.items()])
    marks = _table(MARKS_FOUND, list(marks_of(samples)))
    text = f"{told}\n\n{figures}\n\n{marks}\n"
    stem = facts["date"].translate(str.maketrans(" :", "--"))
    for name in filter(None, (stem, title)):
        (RESULTS / f"{name}.md").write_text(f"# Tailrun, measured\n\n{text}", encoding="utf-8")
    if title is not None:
        place = re.compile(rf"(?<=<!-- {title} -->\n).*?(?=<!-- end of {title} -->)", re.DOTALL)
        page = README.read_text(encoding="utf-8")
        README.write_text(place.sub(lambda _: f"\n{told}\n\n{marks}\n\n", page), encoding="utf-8")
    return text


def _cells(key: Key, group: Sequence[tuple[Figure, float]]) -> list[str]:
    figures, busy = zip(*group, strict=True)
    values = [figure.value for figure in figures]
    details = {
        name: statistics.median(figure.details[name] for figure in figures)
        for name in figures[0].details
    }
    return [
        *key,
        f"{_number(statistics.median(values))} {figures[0].unit}",
        f"{_number(min(values))} … {_number(max(values))}",
        str(len(values)),
        f"{statistics.median(busy):.0%}",
        ", ".join(f"{name} {_number(value)}" for name, value in details.items()),
    ]


def marks_of(samples: Samples) -> Iterator[list[str]]:
    values = {key: [figure.value for figure, _ in group] for key, group in samples.items()}
    medians = {key: statistics.median(of) for key, of in values.items()}
    for measure, who, figure, sign, bound, beside, beside_figure in MARKS:
        own, other = (measure, figure, who), (measure, beside_figure or figure, beside)
        if own in medians and (other in medians or not beside):
            value, of = medians[own], samples[own][0][0].unit
            if beside and sign == BEYOND:
                value, of = value - medians[other], f"{of} beyond {beside} {beside_figure}".rstrip()
            elif beside:
                value, of = value / medians[other], f"times {beside} {beside_figure}".rstrip()
            is_reached = value >= bound if sign == "≥" else value <= bound
            told = "reached" if is_reached else "**missed**"
            yield [measure, f"{who}: {figure}", f"{sign[0]} {bound:g} {of}", _number(value), told]


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    rows = (headings, ["-" * width for width in widths], *lines)
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

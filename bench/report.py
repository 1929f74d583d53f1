"""One table of all figures and marks: as text, as Markdown, as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from bench.samples import Mark, Row, Sample, number, rows

HEADINGS = ("measure", "figure", "who", "median", "least … most", "n", "load", "busy", "details")


def markdown(facts: Mapping[str, str], samples: Iterable[Sample], marks: Sequence[Mark]) -> str:
    """Return the report."""
    found = list(rows(samples))
    told = [" · ".join(f"{name} {value}" for name, value in facts.items()), ""]
    told += _table(HEADINGS, [_cells(row) for row in found])
    reached = [(mark, mark.reached(found)) for mark in marks]
    lines = [_mark_cells(mark, *value) for mark, value in reached if value is not None]
    if lines:
        told += ["", *_table(("measure", "mark", "bound", "found", ""), lines)]
    return "\n".join(told) + "\n"


def write(
    directory: Path, facts: Mapping[str, str], samples: Sequence[Sample], text: str, *, full: bool
) -> None:
    """Write a report beside the earlier ones, with its samples; a `full` one is the latest."""
    directory.mkdir(exist_ok=True)
    name = facts["date"].translate(str.maketrans(" :", "--"))
    kept = {"facts": dict(facts), "samples": [asdict(sample) for sample in samples]}
    (directory / f"{name}.json").write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
    stems = (name, "latest") if full else (name,)
    for stem in stems:
        (directory / f"{stem}.md").write_text(f"# Tailrun, measured\n\n{text}", encoding="utf-8")


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (headings, rule, *lines)
    ]


def _cells(row: Row) -> list[str]:
    return [
        *(row.measure, row.figure, row.who),
        f"{number(row.median)} {row.unit}",
        f"{number(row.least)} … {number(row.most)}",
        *(str(row.taken), f"{row.load:.1f}", f"{row.busy:.0%}"),
        ", ".join(f"{name} {number(value)}" for name, value in row.details.items()),
    ]


def _mark_cells(mark: Mark, value: float, reached: bool) -> list[str]:  # noqa: FBT001
    bound = f"≥ {mark.least:g}" if mark.least is not None else f"≤ {mark.most:g}"
    return [mark.measure, mark.text, bound, number(value), "reached" if reached else "missed"]

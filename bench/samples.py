"""Samples, and what becomes of them: medians, and ratios that are to reach a mark. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measured value: of which figure, of whom, and how busy the machine was before."""

    measure: str
    figure: str
    who: str
    value: float
    unit: str
    load: float = 0.0
    busy: float = 0.0
    details: Mapping[str, float] = field(default_factory=dict)


class Row(NamedTuple):
    """One line of the table: the samples of a figure."""

    measure: str
    figure: str
    who: str
    unit: str
    median: float
    least: float
    most: float
    taken: int
    load: float
    busy: float
    details: dict[str, float]


def rows(samples: Iterable[Sample]) -> Iterator[Row]:
    """Iterate over the figures, in the order in which each was first met."""
    kept = list(samples)
    order = {key: number for number, key in reversed([*enumerate(map(_key, kept))])}
    for _, group in groupby(sorted(kept, key=lambda sample: order[_key(sample)]), _key):
        yield _row(list(group))


def _key(sample: Sample) -> tuple[str, str, str]:
    return sample.measure, sample.figure, sample.who


def _row(group: list[Sample]) -> Row:
    values = [sample.value for sample in group]
    first = group[0]
    return Row(
        *(first.measure, first.figure, first.who, first.unit),
        median=statistics.median(values),
        least=min(values),
        most=max(values),
        taken=len(values),
        load=max(sample.load for sample in group),
        busy=statistics.median(sample.busy for sample in group),
        details={
            name: statistics.median(sample.details[name] for sample in group)
            for name in first.details
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A ratio of two figures, or a figure (`under` None), that is to be `least` or `most`."""

    measure: str
    text: str
    over: tuple[str, str]
    under: tuple[str, str] | None = None
    least: float | None = None
    most: float | None = None

    def reached(self, found: Iterable[Row]) -> tuple[float, bool] | None:
        """Return the value and whether it reaches the mark; None where it was not measured."""
        medians = {
            (row.figure, row.who): row.median for row in found if row.measure == self.measure
        }
        if self.over not in medians or (self.under is not None and self.under not in medians):
            return None
        value = medians[self.over] / (1 if self.under is None else medians[self.under])
        above = self.least is None or value >= self.least
        return value, above and (self.most is None or value <= self.most)


def number(value: float) -> str:
    """Write a number with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

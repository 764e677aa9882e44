"""A figure: what was measured, and what it should be."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table.

    Attributes:
        what: What was measured.
        measured: The figure with its unit.
        goal: The bound with its unit.
        met: Whether the figure keeps to the bound.
    """

    what: str
    measured: str
    goal: str
    met: bool


def at_most(what: str, value: float, goal: float, unit: str) -> Figure:
    """A figure that should be small."""
    return Figure(what, f"{value:.3g} {unit}", f"≤ {goal:g} {unit}", met=value <= goal)


def under(what: str, values: Sequence[float], goal: float, unit: str) -> Figure:
    """A figure that should be small: the median counts; the worst is in brackets."""
    median = statistics.median(values)
    return Figure(what, f"{median:.1f} {unit} ({max(values):.1f})", f"< {goal:g} {unit}", met=median < goal)


def at_least(what: str, value: float, goal: float, unit: str) -> Figure:
    """A figure that should be large."""
    return Figure(what, f"{value:,.0f} {unit}", f"≥ {goal:,g} {unit}", met=value >= goal)


def table(figures: Iterable[Figure]) -> str:
    """The figures as a table in Markdown, ready for the README."""
    rows = [("what", "measured", "goal", ""), *((*figure[:3], "✓" if figure.met else "✗") for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = " | ".join("-" * max(width, 3) for width in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])

"""What it costs to start: importing the library, and the help pages."""

import sys
from collections.abc import Iterator, Sequence

from bench.command import ENGINE, run
from bench.figure import Figure, at_most


def figures() -> Iterator[Figure]:
    """The library is measured twice: alone, and with the names that every program uses."""
    imports = ("import realtime_engine", "from realtime_engine import Session, converse")
    helps = ("--help", "run --help", "serve --help")
    trio, *took = _best_ms(
        (sys.executable, "-c", "import trio"),
        *((sys.executable, "-c", f"import trio\n{what}") for what in imports),
        *((ENGINE, *what.split()) for what in helps),
    )
    for what, ms in zip(imports, took, strict=False):
        yield at_most(f"`{what}`, beyond `import trio`", max(ms - trio, 0.0), 60, "ms")
    for what, ms in zip(helps, took[len(imports) :], strict=True):
        yield at_most(f"`engine {what}`", ms, 400, "ms")


def _best_ms(*commands: Sequence[str]) -> list[float]:
    """The shortest of ten runs of each command, in milliseconds; by turns, so that all share the machine's mood."""
    rounds = [[run(*command).seconds for command in commands] for _ in range(10)]
    return [min(took) * 1000 for took in zip(*rounds, strict=True)]

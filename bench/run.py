"""``make bench``: measure what the project promises, here and now, and print one table.

Other work on the machine makes the figures worse; nothing here is a test.
"""

from rich.console import Console

from bench import card, relaying, startup, step, talk
from bench.figure import table

PARTS = (step, startup, talk, card, relaying)


def main() -> None:
    """Measure everything, and say on the way what is being measured."""
    console = Console(stderr=True)
    measured = []
    for part in PARTS:
        console.print(f"{part.__name__.rpartition('.')[2]} …", style="dim")
        measured += part.figures()
    print(table(measured))


if __name__ == "__main__":
    main()

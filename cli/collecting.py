"""Looking for cycles of garbage seldom, while somebody is to be heard without a gap."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = (30_000, 10, 10)
"""New objects, and collections of the younger generation, after which cycles are looked for (`gc.set_threshold`).

A conversation that is relayed holds 150 objects (`gc.get_objects`, with 300 of them and without): while they come by
the hundred none is looked through."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """What conversations leave behind is freed by its counts; so cycles are looked for seldom, and only in what is new.

    To look through all that a thousand conversations hold takes tens of milliseconds, in which nobody is heard; to look
    through the modules of one at a sound card takes nearly as long as the card has sound for.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

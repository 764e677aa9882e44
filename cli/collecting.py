"""Looking for cycles of garbage seldom, while somebody is to be heard without a gap."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = (10_000, 20, 20)
"""New objects, and collections of the younger generation, after which cycles are looked for (`gc.set_threshold`)."""


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

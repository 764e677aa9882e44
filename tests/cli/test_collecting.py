"""When cycles of garbage are looked for."""

import gc

from cli.collecting import COLLECT_AFTER, collecting_seldom


def test_cycles_are_looked_for_seldom_and_only_in_what_is_new() -> None:
    before = gc.get_threshold()

    with collecting_seldom():
        assert gc.get_threshold() == COLLECT_AFTER
        assert gc.get_freeze_count()

    assert gc.get_threshold() == before
    assert not gc.get_freeze_count()

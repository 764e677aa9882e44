"""What the model is told of an answer that was spoken over."""

from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.events import ConversationItemTruncate
from realtime_engine.interruption import REPORT_SECONDS, Interruption
from realtime_engine.playback import Heard


def item(name: str, heard_ms: int, sent_ms: int = 5000, *, part: int = 0, more: bool = False) -> Heard:
    return Heard("resp_1", name, part, heard_ms, sent_ms, more)


def told(truncations: Sequence[ConversationItemTruncate]) -> list[tuple[str, int]]:
    return [(each.item_id, each.audio_end_ms) for each in truncations]


def test_an_item_is_truncated_to_what_was_heard_of_it() -> None:
    truncations = Interruption().truncate([item("item_1", 1500), item("item_2", 0, part=1)])

    assert truncations == [
        ConversationItemTruncate(item_id="item_1", content_index=0, audio_end_ms=1500),
        ConversationItemTruncate(item_id="item_2", content_index=1, audio_end_ms=0),
    ]


# --- what the front says itself -----------------------------------------------------------------------------


def test_of_an_item_that_the_front_has_truncated_only_what_was_heard_before_is_still_to_be_told() -> None:
    interruption = Interruption()
    interruption.truncated_by_front("item_1", 900)
    interruption.truncated_by_front("item_1", 2000)  # which the server refuses

    for heard_ms, left in ((899, 1), (900, 0), (901, 0)):
        assert len(interruption.untold([item("item_1", heard_ms)])) == left
    assert interruption.untold([item("item_2", 1500)]) == [item("item_2", 1500)]
    assert interruption.late("item_1", 0) == []


def test_of_a_fronts_truncations_the_newest_are_remembered_and_none_of_another_connection() -> None:
    interruption = Interruption()
    for n in range(1000):
        interruption.truncated_by_front(f"item_{n}", 100)

    heard = [item(f"item_{n}", 100) for n in range(1000)]
    assert interruption.untold(heard) == heard[:744]
    interruption.forget()
    assert interruption.untold(heard) == heard


# --- late audio ---------------------------------------------------------------------------------------------


def test_late_audio_of_a_cut_response_is_dropped_and_of_no_other() -> None:
    interruption = Interruption()
    interruption.cut(["resp_1", "resp_2"])

    assert interruption.drops("resp_1")
    assert interruption.drops("resp_2")
    assert not interruption.drops("resp_3")


def test_a_cut_response_without_an_id_silences_nothing_that_follows() -> None:
    interruption = Interruption()
    interruption.cut([""])

    assert not interruption.drops("")


def test_an_item_that_begins_after_the_cut_is_truncated_to_nothing_once() -> None:
    interruption = Interruption()
    interruption.cut(["resp_1"])

    assert told(interruption.late("item_1", 0)) == [("item_1", 0)]
    assert interruption.late("item_1", 0) == []


@pytest.mark.parametrize("reports", [True, False])
def test_late_audio_of_an_item_that_is_truncated_already_says_nothing_more(*, reports: bool) -> None:
    interruption = Interruption()
    if reports:
        interruption.await_report(1.0, "event_1", [item("item_1", 1500)])
    else:
        interruption.truncate([item("item_1", 1500)])

    assert interruption.late("item_1", 0) == []


def test_only_the_newest_of_what_was_cut_is_remembered() -> None:
    interruption = Interruption()
    for n in range(300):
        interruption.cut([f"resp_{n}"])
        interruption.late(f"item_{n}", 0)

    assert not interruption.drops("resp_43")
    assert interruption.drops("resp_44")
    assert interruption.late("item_44", 0) == []
    assert told(interruption.late("item_43", 0)) == [("item_43", 0)]


# --- the front's word ---------------------------------------------------------------------------------------


def waiting(*heard: Heard) -> Interruption:
    interruption = Interruption()
    interruption.await_report(10.0, "event_1", heard)
    return interruption


def test_the_truncation_waits_a_quarter_of_a_second_for_the_fronts_word_and_then_the_estimate_counts() -> None:
    interruption = waiting(item("item_1", 1500), item("item_2", 0))
    assert (interruption.waiting, interruption.deadline) == (True, 10.0 + REPORT_SECONDS)
    assert interruption.due(10.249999) == []

    assert told(interruption.due(10.25)) == [("item_1", 1500), ("item_2", 0)]

    assert (interruption.waiting, interruption.deadline) == (False, inf)
    assert interruption.due(99.0) == []


def test_the_fronts_word_counts_and_not_the_estimate() -> None:
    interruption = waiting(item("item_1", 1500))

    assert told(interruption.report("event_1", "item_1", 0, 1337.9)) == [("item_1", 1337)]
    assert not interruption.waiting


def test_what_came_before_the_item_reported_was_heard_and_what_came_after_it_was_not() -> None:
    interruption = waiting(item("item_1", 4900), item("item_2", 0), item("item_3", 0))

    assert told(interruption.report("event_1", "item_2", 0, 80)) == [("item_2", 80), ("item_3", 0)]


def test_parts_of_one_item_are_told_apart() -> None:
    interruption = waiting(item("item_1", 4900), item("item_1", 0, part=1))

    truncations = interruption.report("event_1", "item_1", 1, 80)

    assert truncations == [ConversationItemTruncate(item_id="item_1", content_index=1, audio_end_ms=80)]


def test_an_item_that_the_front_has_played_to_its_end_is_left_whole() -> None:
    interruption = waiting(item("item_1", 4900), item("item_2", 0))

    assert told(interruption.report("event_1", "item_1", 0, 5000)) == [("item_2", 0)]


def test_an_item_with_more_to_come_is_truncated_though_all_that_came_was_played() -> None:
    interruption = waiting(item("item_1", 4900, more=True))

    assert told(interruption.report("event_1", "item_1", 0, 5000)) == [("item_1", 5000)]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 5000), st.booleans())
def test_whatever_the_front_says_an_item_is_truncated_to_no_more_than_was_sent(
    audio_ms: float, sent_ms: int, more: bool
) -> None:
    interruption = waiting(item("item_1", 0, sent_ms, more=more))

    for truncation in interruption.report("event_1", "item_1", 0, audio_ms):
        assert 0 <= truncation.audio_end_ms <= sent_ms


def test_a_report_about_something_else_leaves_the_estimate() -> None:
    interruption = waiting(item("item_1", 1500))

    assert told(interruption.report("event_1", "item_9", 0, 80)) == [("item_1", 1500)]
    assert not interruption.waiting


def test_a_report_that_answers_another_interruption_or_comes_too_late_changes_nothing() -> None:
    interruption = waiting(item("item_1", 1500))

    assert interruption.report("event_9", "item_1", 0, 80) == []
    assert interruption.waiting
    interruption.due(10.25)
    assert interruption.report("event_1", "item_1", 0, 80) == []


def test_a_second_interruption_within_the_quarter_of_a_second_takes_nothing_from_the_first() -> None:
    interruption = waiting(item("item_1", 1500))
    interruption.await_report(10.1, "event_2", [item("item_2", 40)])

    assert told(interruption.report("event_2", "item_2", 0, 30)) == [("item_2", 30)]
    assert interruption.waiting
    assert interruption.deadline == 10.25
    assert told(interruption.due(10.25)) == [("item_1", 1500)]


def test_two_interruptions_without_a_word_of_the_front_are_due_each_in_its_time() -> None:
    interruption = waiting(item("item_1", 1500))
    interruption.await_report(10.125, "event_2", [item("item_2", 40)])

    assert told(interruption.due(10.25)) == [("item_1", 1500)]
    assert interruption.deadline == 10.375
    assert told(interruption.due(10.375)) == [("item_2", 40)]

"""When a turn begins and ends, frame by frame."""

from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.upstreams.local.hearing import Hearing, hearing
from realtime_engine.upstreams.local.settings import SemanticVad, ServerVad
from realtime_engine.upstreams.local.turns import START_FRAMES, Change, Started, Stopped, Turn, Turns

HEARING = Hearing(silence_ms=96)


def changes(probabilities: list[float], hears: Hearing = HEARING) -> list[tuple[int, Change]]:
    """What changed, and at which frame."""
    turns = Turns()
    fed = [(frame, turns.feed(frame, probability, hears)) for frame, probability in enumerate(probabilities)]
    return [(frame, change) for frame, change in fed if change is not None]


def test_speech_begins_with_the_first_of_a_few_frames_in_a_row() -> None:
    assert changes([0.1, 0.9, 0.9, 0.9]) == [(3, Started(1))]


def test_single_frames_over_the_threshold_are_no_speech() -> None:
    assert changes([0.9, 0.9, 0.1] * 10) == []


def test_a_turn_ends_after_the_silence_that_was_asked_for() -> None:
    assert changes([0.9] * 5 + [0.1] * 5) == [(2, Started(0)), (7, Stopped(8))]


def test_silence_that_is_too_short_does_not_end_a_turn() -> None:
    assert changes([0.9] * 5 + [0.1, 0.1, 0.9] * 5) == [(2, Started(0))]


def test_no_silence_at_all_means_the_first_silent_frame() -> None:
    assert changes([0.9] * 3 + [0.1], Hearing(silence_ms=0)) == [(2, Started(0)), (3, Stopped(4))]


def test_a_probability_at_the_threshold_is_speech() -> None:
    assert changes([0.7] * 3, Hearing(threshold=0.7)) == [(2, Started(0))]
    assert changes([0.69] * 3, Hearing(threshold=0.7)) == []


def test_a_turn_that_is_forgotten_never_ends() -> None:
    turns = Turns()
    for frame in range(3):
        turns.feed(frame, 0.9, HEARING)
    assert turns.turn is Turn.SPEAKING

    turns.forget()

    assert [turns.feed(frame, 0.1, HEARING) for frame in range(3, 20)] == [None] * 17


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0, 1), st.integers(0, 500))
def test_turns_begin_and_end_by_turns_and_in_order(probabilities: list[float], threshold: float, silence: int) -> None:
    found = changes(probabilities, Hearing(threshold=threshold, silence_ms=silence))

    assert [type(change) for _, change in found] == ([Started, Stopped] * len(found))[: len(found)]
    offsets = [change.frame for _, change in found if change is not None]
    assert offsets == sorted(offsets)
    for frame, change in found:
        assert change == (Started(frame + 1 - START_FRAMES) if isinstance(change, Started) else Stopped(frame + 1))


def test_eagerness_sets_the_silence() -> None:
    silences = {eagerness: hearing(SemanticVad(eagerness=eagerness)) for eagerness in ("low", "medium", "high", "auto")}

    assert {name: heard.silence_ms for name, heard in silences.items() if heard} == {
        "low": 2000,
        "medium": 1000,
        "high": 500,
        "auto": 1000,
    }


def test_an_idle_timeout_asks_for_a_response_so_it_needs_leave_to_create_one() -> None:
    willing, unwilling = (hearing(ServerVad(idle_timeout_ms=5000, create_response=create)) for create in (True, False))

    assert willing is not None
    assert willing.idle_ms == 5000
    assert unwilling is not None
    assert unwilling.idle_ms is None


def test_manual_turns_need_no_hearing() -> None:
    assert hearing(None) is None

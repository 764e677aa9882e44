"""Speech received and not yet heard: when it is let out, and how much of it was heard."""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMU, AudioFormat, microseconds
from realtime_engine.commands import Span
from realtime_engine.playback import Heard, HeldSpeech, Playback

RUNNING: Final = ("resp_1",)


def add(playback: Playback, now: float, seconds: float, item: str = "item_1", response: str = "resp_1") -> bool:
    """Take so many seconds of speech; what is not to be sent at once is held, as the session does."""
    size = round(seconds * 1000 * playback.format.bytes_per_ms)
    at_once = playback.add(now, response, item, 0, size)
    if not at_once:
        playback.hold(HeldSpeech(item.encode(), Span(0, size), response))
    return at_once


def heard(cut: Sequence[Heard]) -> list[tuple[str, int]]:
    return [(each.item_id, each.heard_ms) for each in cut]


def released(playback: Playback, now: float) -> int:
    count = 0
    while playback.release(now) is not None:
        count += 1
    return count


# --- what is heard ------------------------------------------------------------------------------------------


def test_speech_is_taken_to_be_heard_in_real_time_from_when_it_comes() -> None:
    playback = Playback(lead=None)
    add(playback, 1.0, 3.0)
    add(playback, 1.1, 2.0)

    assert playback.end == 6.0
    assert playback.unheard(5.999)
    assert not playback.unheard(6.0)
    assert playback.cut(2.5, RUNNING) == [Heard("resp_1", "item_1", 0, 1500, 5000, more=True)]


def test_a_gap_in_the_speech_is_not_heard_time() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0)
    add(playback, 5.0, 1.0)  # 4 s of silence after the first

    assert heard(playback.cut(5.25, RUNNING)) == [("item_1", 1250)]


def test_milliseconds_heard_are_rounded_down() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0)

    assert heard(playback.cut(0.123999, RUNNING)) == [("item_1", 123)]


def test_heard_is_never_more_than_was_sent_though_that_ends_within_a_millisecond() -> None:
    playback = Playback(lead=None)
    playback.add(0.0, "resp_1", "item_1", 0, 48 * 10 + 46)

    assert playback.cut(9.0, RUNNING) == [Heard("resp_1", "item_1", 0, 10, 10, more=True)]


def test_speech_in_another_format_lasts_as_long_as_it_lasts() -> None:
    playback = Playback(lead=None, format=PCMU)
    playback.add(0.0, "resp_1", "item_1", 0, 8000)

    assert playback.end == 1.0


def test_what_was_heard_to_its_end_is_not_cut() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0, "item_1", "resp_1")
    add(playback, 0.0, 1.0, "item_2", "resp_2")

    assert playback.cut(1.5, ()) == [Heard("resp_2", "item_2", 0, 500, 1000, more=False)]


def test_what_was_heard_to_its_end_is_cut_if_the_model_is_not_done_with_it() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0)

    assert playback.cut(4.0, RUNNING) == [Heard("resp_1", "item_1", 0, 1000, 1000, more=True)]
    assert playback.cut(4.0, RUNNING) == []  # each once


def test_items_wholly_unheard_are_cut_at_0_in_the_order_in_which_they_came() -> None:
    playback = Playback(lead=None)
    for item in ("item_1", "item_2", "item_3"):
        add(playback, 0.0, 1.0, item)

    assert heard(playback.cut(1.25, ())) == [("item_2", 250), ("item_3", 0)]


def test_parts_of_an_item_are_heard_one_by_one() -> None:
    playback = Playback(lead=None)
    playback.add(0.0, "resp_1", "item_1", 0, 48_000)
    playback.add(0.0, "resp_1", "item_1", 1, 48_000)

    cut = playback.cut(1.5, RUNNING)

    assert [(each.content_index, each.heard_ms) for each in cut] == [(0, 1000), (1, 500)]


def test_after_a_cut_nothing_is_unheard_and_nothing_is_held() -> None:
    playback = Playback(lead=0.0)
    add(playback, 0.0, 1.0)
    add(playback, 0.0, 1.0)
    assert playback.held_bytes == len(b"item_1")

    playback.cut(0.5, ())

    assert (playback.end, playback.end_of("resp_1"), playback.release_at) == (-inf, -inf, inf)
    assert playback.held_bytes == 0
    assert not playback.unheard(0.5)
    assert playback.release(99.0) is None


def test_the_end_of_each_response_is_known() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0, "item_1", "resp_1")
    add(playback, 0.0, 2.0, "item_2", "resp_2")

    assert (playback.end_of("resp_1"), playback.end_of("resp_2"), playback.end_of("resp_3")) == (1.0, 3.0, -inf)


class Added(NamedTuple):
    after: int  # microseconds
    item: int
    size: int


ADDED = st.lists(st.builds(Added, st.integers(0, 300_000), st.integers(0, 2), st.integers(0, 20_000)), max_size=30)


def expected_ms(added: Sequence[Added], cut_at: int, format: AudioFormat) -> dict[int, int]:
    """What was heard of each item, in whole numbers: 1/6000 ms, in which both a byte and a microsecond are whole."""
    byte, sent, now, free = 6000 // format.bytes_per_ms, dict.fromkeys([each.item for each in added], 0), 0, 0
    for each in added:
        now += each.after * 6
        start = max(now, free)
        free = start + each.size * byte
        sent[each.item] += min(max(cut_at * 6 - start, 0), each.size * byte)
    return {item: heard // 6000 for item, heard in sent.items()}


@given(ADDED, st.integers(0, 5_000_000), st.sampled_from([PCM16, PCMU]), st.sampled_from([None, 0.0, 0.2]))
def test_heard_is_real_time_from_each_pieces_start_to_the_millisecond(
    added: Sequence[Added], later: int, format: AudioFormat, lead: float | None
) -> None:
    playback, now = Playback(lead=lead, format=format), 0
    for each in added:
        now += each.after
        if not playback.add(now / 1e6, "resp_1", f"item_{each.item}", 0, each.size):
            playback.hold(HeldSpeech(b"", Span(0, 0), "resp_1"))
        released(playback, now / 1e6)

    cut = playback.cut((now + later) / 1e6, RUNNING)

    assert {int(each.item_id[-1]): each.heard_ms for each in cut} == expected_ms(added, now + later, format)
    assert all(each.heard_ms <= each.sent_ms for each in cut)


@given(ADDED, st.integers(0, 2_000_000), st.integers(0, 2_000_000))
def test_heard_never_decreases(added: Sequence[Added], later: int, later_still: int) -> None:
    def at(moment: int) -> dict[str, int]:
        playback, now = Playback(lead=None), 0
        for each in added:
            now += each.after
            playback.add(now / 1e6, "resp_1", f"item_{each.item}", 0, each.size)
        return {each.item_id: each.heard_ms for each in playback.cut((now + moment) / 1e6, RUNNING)}

    early, late = at(later), at(later + later_still)

    assert early.keys() == late.keys()
    assert all(early[item] <= late[item] for item in early)


def test_an_hour_of_speech_in_small_pieces_takes_no_more_memory_than_one() -> None:
    playback = Playback(lead=None)
    for _ in range(36_000):
        add(playback, 0.0, 0.1)

    assert len(playback._pieces) == 1
    assert heard(playback.cut(3599.9, RUNNING)) == [("item_1", 3_599_900)]


def test_parts_long_heard_are_forgotten_oldest_first_and_what_waits_never() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0, "long_heard")
    for n in range(80):
        add(playback, 10.0, 1.0, f"item_{n}")
    waiting = [f"item_{n}" for n in range(80)]

    assert [each.item_id for each in playback.cut(10.0, RUNNING)] == waiting

    for n in range(80):
        add(playback, 100.0 + n, 0.5, f"item_{n}")
    assert [each.item_id for each in playback.cut(300.0, RUNNING)] == waiting[16:]


# --- what the front reports ---------------------------------------------------------------------------------


def test_a_report_moves_what_comes_after_it() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 2.0)
    add(playback, 0.0, 1.0, "item_2")

    playback.report(1.0, "item_1", 0, 900)  # 100 ms late, as a loudspeaker is

    assert playback.end == pytest.approx(3.1)
    assert heard(playback.cut(2.5, ())) == [("item_2", 400)]


def test_a_report_that_is_behind_what_was_thought_to_be_over_puts_that_back() -> None:
    playback = Playback(lead=0.0)
    for _ in range(3):
        add(playback, 0.0, 1.0)
    released(playback, 1.2)
    add(playback, 1.2, 1.0)  # the first second counts as heard from here on

    playback.report(1.2, "item_1", 0, 700)
    assert playback.end == pytest.approx(4.5)

    released(playback, 2.0)
    assert heard(playback.cut(2.0, RUNNING)) == [("item_1", 1500)]


def test_a_report_that_is_ahead_moves_what_is_held_forward() -> None:
    playback = Playback(lead=0.2)
    add(playback, 0.0, 1.0)
    add(playback, 0.0, 1.0)
    assert playback.release_at == 0.8

    playback.report(0.5, "item_1", 0, 600)

    assert playback.release_at == pytest.approx(0.7)


def test_a_report_of_more_than_was_sent_hears_all_that_was_sent() -> None:
    playback = Playback(lead=0.0)
    add(playback, 0.0, 1.0)
    add(playback, 0.0, 1.0)  # held

    playback.report(0.5, "item_1", 0, 1e300)

    assert playback.release_at == 0.5
    assert heard(playback.cut(0.5, ())) == [("item_1", 1000)]


def test_a_report_says_that_what_came_before_was_heard() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0, "item_1")
    add(playback, 0.0, 1.0, "item_2")

    playback.report(0.9, "item_2", 0, 50)

    assert heard(playback.cut(0.9, RUNNING)) == [("item_1", 1000), ("item_2", 50)]


def test_a_report_below_nothing_is_nothing() -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 1.0)

    playback.report(0.5, "item_1", 0, -400)

    assert playback.end == 1.5
    assert heard(playback.cut(0.5, ())) == [("item_1", 0)]


@pytest.mark.parametrize(("item", "part"), [("item_9", 0), ("item_1", 1), ("item_0", 0)])
def test_a_report_about_nothing_that_waits_changes_nothing(item: str, part: int) -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 0.5, "item_0")
    add(playback, 1.0, 1.0)

    playback.report(1.5, item, part, 100)

    assert heard(playback.cut(1.5, ())) == [("item_1", 500)]


def test_a_report_about_speech_that_was_never_sent_changes_nothing() -> None:
    playback = Playback(lead=0.0)
    add(playback, 0.0, 1.0, "item_1")
    add(playback, 0.0, 1.0, "item_2")

    playback.report(0.25, "item_2", 0, 1000)

    assert heard(playback.cut(0.25, ())) == [("item_1", 250), ("item_2", 0)]


class Reported(NamedTuple):
    after: int  # microseconds
    item: int
    audio_ms: int


@given(
    st.lists(ADDED.map(lambda added: added[:1]) | st.builds(Reported, st.integers(0, 300_000), st.integers(0, 2),
             st.integers(-10, 2000)).map(lambda report: [report]), max_size=30),
    st.sampled_from([None, 0.0, 0.2]),
    st.integers(0, 3_000_000),
)  # fmt: skip
def test_whatever_a_front_reports_heard_stays_between_nothing_and_what_was_sent(
    happened: Sequence[Sequence[Added | Reported]], lead: float | None, later: int
) -> None:
    playback, now = Playback(lead=lead), 0
    sent = dict.fromkeys(["item_0", "item_1", "item_2"], 0)
    for each in (each for some in happened for each in some):
        now += each.after
        released(playback, now / 1e6)
        item = f"item_{each.item}"
        if isinstance(each, Reported):
            playback.report(now / 1e6, item, 0, each.audio_ms)
            continue
        sent[item] += each.size
        if not playback.add(now / 1e6, "resp_1", item, 0, each.size):
            playback.hold(HeldSpeech(b"", Span(0, 0), "resp_1"))

    for cut in playback.cut((now + later) / 1e6, RUNNING):
        assert 0 <= cut.heard_ms <= cut.sent_ms == int(PCM16.ms(sent[cut.item_id]))


@given(st.integers(0, 2_000_000), st.integers(0, 3000), st.integers(0, 1_000_000))
def test_after_a_report_time_runs_on_from_what_it_said(at: int, audio_ms: int, later: int) -> None:
    playback = Playback(lead=None)
    add(playback, 0.0, 3.0)

    playback.report(at / 1e6, "item_1", 0, audio_ms)

    expected = min(audio_ms + later // 1000, 3000)
    assert heard(playback.cut((at + later) / 1e6, RUNNING)) == [("item_1", expected)]


# --- what is held -------------------------------------------------------------------------------------------


def test_speech_for_a_front_without_a_lead_is_never_held() -> None:
    playback = Playback(lead=None)

    assert all(add(playback, 0.0, 60.0) for _ in range(60))
    assert playback.release_at == inf


def test_speech_is_held_until_it_is_nearly_time_to_hear_it() -> None:
    playback = Playback(lead=0.2)

    assert add(playback, 0.0, 0.1)
    assert add(playback, 0.0, 0.1)
    assert add(playback, 0.0, 1.0)  # starts at 0.2
    assert not add(playback, 0.0, 1.0)
    assert playback.release_at == 1.0
    assert playback.release(0.999999) is None
    assert playback.release(1.0) == HeldSpeech(b"item_1", Span(0, 48_000), "resp_1")
    assert playback.release(1.0) is None


def test_speech_behind_held_speech_is_held_though_it_is_short() -> None:
    playback = Playback(lead=0.0)
    add(playback, 0.0, 1.0)
    add(playback, 0.0, 0.0)

    assert not add(playback, 0.5, 0.0)


def test_all_that_is_held_can_be_let_go_at_once() -> None:
    playback = Playback(lead=0.0)
    for n in range(4):
        add(playback, 0.0, 1.0, f"item_{n}")

    assert [speech.raw for speech in playback.release_all()] == [b"item_1", b"item_2", b"item_3"]
    assert playback.release_all() == []
    assert playback.held_bytes == 0
    assert playback.end == 4.0


@given(ADDED, st.sampled_from([0.0, 0.05, 0.2]))
def test_held_speech_is_released_in_order_each_once_and_never_early(added: Sequence[Added], lead: float) -> None:
    playback, now = Playback(lead=lead), 0.0
    starts: dict[int, float] = {}
    sent: list[int] = []

    def advance(until: float) -> None:
        while playback.release_at <= until:
            due = playback.release_at
            assert playback.release(due - 2e-6) is None
            speech = playback.release(due)
            assert speech is not None
            number = int(speech.raw)
            assert due >= starts[number] - lead - 1e-6
            sent.append(number)

    for number, each in enumerate(added):
        now = microseconds(now + each.after / 1e6)
        advance(now)
        starts[number] = max(now, playback.end)
        if playback.add(now, "resp_1", f"item_{each.item}", 0, each.size):
            assert starts[number] - now <= lead
            sent.append(number)
        else:
            playback.hold(HeldSpeech(b"%d" % number, Span(0, each.size), "resp_1"))
        assert playback.held_bytes == sum(len(b"%d" % n) for n in range(len(sent), number + 1))
    advance(now + 99)

    assert sent == list(range(len(added)))

"""Speech is heard in real time from its arrival; heard, reported and written down agree to the sample."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMU, AudioFormat
from transports.aloud.ear import Place
from transports.wav.timeline import Timeline

MS = 48  # bytes of PCM16


def test_speech_is_heard_from_the_moment_it_arrives() -> None:
    timeline = Timeline(PCM16)

    timeline.play(2.0, "item_1", 0, bytes(100 * MS))
    timeline.hear(2.04)

    assert timeline.place == Place("item_1", 0, 40.0)
    assert timeline.end == 2.1
    assert [(start, len(audio)) for start, audio in timeline.take()] == [(48_000, 40 * MS)]


def test_what_arrives_while_something_is_heard_comes_after_it() -> None:
    timeline = Timeline(PCM16)
    timeline.play(0.0, "item_1", 0, bytes(100 * MS))
    timeline.play(0.05, "item_2", 0, bytes(100 * MS))

    timeline.hear(0.15)

    assert timeline.place == Place("item_2", 0, 50.0)
    assert timeline.end == 0.2


def test_a_gap_is_not_heard_time() -> None:
    timeline = Timeline(PCM16)
    timeline.play(0.0, "item_1", 0, bytes(100 * MS))
    timeline.play(5.0, "item_1", 0, bytes(100 * MS))

    timeline.hear(5.05)

    assert timeline.place == Place("item_1", 0, 150.0)


def test_falling_silent_drops_what_is_unheard_and_says_where_the_ear_was() -> None:
    timeline = Timeline(PCM16)
    timeline.play(0.0, "item_1", 0, bytes(1000 * MS))
    timeline.play(0.0, "item_2", 0, bytes(1000 * MS))

    assert timeline.silence(0.7501) == Place("item_1", 0, 750.083333)
    assert not timeline.unheard
    assert timeline.end == float("-inf")
    timeline.hear(9.0)
    assert sum(len(audio) for _, audio in timeline.take()) == 18_002 * 2  # 750.1 ms, whole samples


def test_an_ear_that_has_heard_nothing_has_no_place() -> None:
    timeline = Timeline(PCM16)
    timeline.play(0.0, "item_1", 0, b"")

    assert timeline.silence(1.0) is None


def test_after_the_end_of_an_item_the_next_one_is_at_its_beginning() -> None:
    timeline = Timeline(PCM16)
    timeline.play(0.0, "item_1", 0, bytes(100 * MS))
    timeline.play(0.0, "item_2", 0, bytes(100 * MS))

    timeline.hear(0.1)

    assert timeline.place == Place("item_2", 0, 0.0)


def test_only_the_newest_items_are_remembered() -> None:
    timeline = Timeline(PCM16)
    for number in range(200):
        timeline.play(float(number), f"item_{number}", 0, bytes(100 * MS))

    assert len(timeline._heard) == 64


@pytest.mark.parametrize("format", [PCM16, PCMU], ids=["pcm", "pcmu"])
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 9600)), min_size=1, max_size=12),
    looks=st.lists(st.integers(0, 5_000_000), max_size=20),
    cut=st.integers(0, 6_000_000),
)
def test_what_is_written_is_what_is_reported_and_never_more_than_came(
    format: AudioFormat, arrivals: list[tuple[int, int]], looks: list[int], cut: int
) -> None:
    timeline = Timeline(format)
    events: list[tuple[int, bytes | None]] = []
    at = 0
    for gap, samples in arrivals:
        at += gap
        events.append((at, bytes([len(events) + 1]) * (samples * format.sample_bytes)))
    events += [(look, None) for look in looks]
    came = b""
    for microseconds, audio in sorted(events, key=lambda event: event[0]):
        if microseconds > cut:
            continue
        if audio is None:
            timeline.hear(microseconds / 1e6)
        else:
            came += audio
            timeline.play(microseconds / 1e6, "item", 0, audio)
    place = timeline.silence(cut / 1e6)
    stretches = timeline.take()
    heard = b"".join(audio for _, audio in stretches)

    assert came.startswith(heard)
    assert (place.heard_ms if place else 0.0) == pytest.approx(format.ms(len(heard)), abs=1e-6)
    assert all(
        one.start + len(one.audio) // format.sample_bytes <= next_one.start for one, next_one in pairwise(stretches)
    )
    assert all(
        start + len(audio) // format.sample_bytes <= cut * format.sample_rate // 1_000_000 for start, audio in stretches
    )

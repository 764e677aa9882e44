"""Microphone audio on its way upstream, and the newest of it kept."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.commands import Span
from realtime_engine.input_audio import Chunk, InputAudio, RecentAudio

FORMATS = st.sampled_from([PCM16, PCMU, PCMA])


def microphone(*, flush_bytes: int = 8192, format: AudioFormat = PCM16) -> InputAudio:
    return InputAudio(flush_bytes=flush_bytes, flush_seconds=1.0, format=format)


def split(audio: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(audio), *(cut % (len(audio) + 1) for cut in cuts)})
    return [audio[start:stop] for start, stop in pairwise(places)]


def sizes(chunks: list[Chunk]) -> list[int]:
    return [len(chunk.audio) for chunk in chunks]


# --- messages of a fair size --------------------------------------------------------------------------------


def test_audio_goes_upstream_when_8192_bytes_are_there() -> None:
    audio = microphone()

    assert audio.append(0.0, bytes(8190)) == []
    assert sizes(audio.append(0.1, bytes(4))) == [8192]
    assert sizes(audio.flush()) == [2]


def test_a_long_piece_is_cut_into_full_messages() -> None:
    assert sizes(microphone().append(0.0, bytes(20_000))) == [8192, 8192]


def test_the_second_runs_from_the_oldest_unsent_byte() -> None:
    audio = microphone()
    assert audio.deadline == inf

    audio.append(2.0, bytes(100))
    audio.append(2.5, bytes(100))
    assert audio.deadline == 3.0

    audio.append(2.75, bytes(8192 - 100))  # a full message, and 100 bytes of this one are left
    assert audio.deadline == 3.75


def test_nothing_is_due_when_nothing_is_left() -> None:
    audio = microphone()
    audio.append(0.0, bytes(8192))
    assert audio.deadline == inf

    audio.append(0.0, bytes(10))
    audio.flush()
    assert audio.deadline == inf
    assert audio.flush() == []


def test_half_a_sample_waits_for_its_other_half() -> None:
    audio = microphone()

    audio.append(0.0, b"abc")
    assert [chunk.audio for chunk in audio.flush()] == [b"ab"]
    audio.append(5.0, b"d")

    assert [chunk.audio for chunk in audio.flush()] == [b"cd"]


def test_half_a_sample_at_the_end_of_a_full_message_is_not_waited_for() -> None:
    audio = microphone(flush_bytes=4)

    assert sizes(audio.append(0.0, b"abcde")) == [4]
    assert audio.deadline == inf


def test_when_the_microphone_stops_the_rest_goes_upstream_at_once() -> None:
    audio = microphone()
    audio.append(0.0, bytes(2401))

    assert sizes(audio.stop()) == [2400]
    assert audio.deadline == inf

    audio.append(1.0, b"cd")
    assert audio.flush() == [Chunk(b"cd", Span(2401, 2403))]  # the half sample is dropped, and still counted


def test_what_is_cleared_never_goes_upstream() -> None:
    audio = microphone()
    audio.append(0.0, bytes(500))

    audio.clear()

    assert audio.deadline == inf
    assert audio.stop() == []
    audio.append(1.0, b"ab")
    assert audio.flush() == [Chunk(b"ab", Span(500, 502))]


@pytest.mark.parametrize("flush_bytes", [0, 1, 2, 3])
def test_a_message_holds_a_sample_at_least(flush_bytes: int) -> None:
    assert [chunk.audio for chunk in microphone(flush_bytes=flush_bytes).append(0.0, b"abcde")] == [b"ab", b"cd"]


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000)), st.integers(0, 300), FORMATS)
def test_any_split_of_the_same_audio_gives_the_same_messages(
    spoken: bytes, cuts: list[int], flush_bytes: int, format: AudioFormat
) -> None:
    whole, pieces = (microphone(flush_bytes=flush_bytes, format=format) for _ in range(2))

    expected = whole.append(0.0, spoken) + whole.stop()
    chunks = [chunk for piece in split(spoken, cuts) for chunk in pieces.append(0.0, piece)] + pieces.stop()

    assert chunks == expected
    assert b"".join(chunk.audio for chunk in chunks) == spoken[: len(spoken) - len(spoken) % format.sample_bytes]


@given(st.lists(st.tuples(st.integers(0, 1_500_000), st.binary(max_size=400))), FORMATS)
def test_nothing_waits_longer_than_a_second_and_the_spans_tile_what_was_sent(
    pieces: list[tuple[int, bytes]], format: AudioFormat
) -> None:
    audio = microphone(flush_bytes=512, format=format)
    spoken, chunks, now = b"", [], 0.0
    for pause, piece in pieces:
        now += pause / 1e6
        if audio.deadline <= now:
            chunks += audio.flush()
        spoken += piece
        chunks += audio.append(now, piece)
        assert audio.deadline == inf or now < audio.deadline <= now + 1.0
    chunks += audio.flush()

    assert [chunk.audio for chunk in chunks] == [spoken[start:stop] for _, (start, stop) in chunks]
    assert all(before.span.stop == after.span.start for before, after in pairwise(chunks))
    assert len(spoken) - sum(sizes(chunks)) < format.sample_bytes
    assert all(size % format.sample_bytes == 0 for size in sizes(chunks))


def chunk(audio: bytes, start: int = 0) -> Chunk:
    return Chunk(audio, Span(start, start + len(audio)))


# --- the newest is kept -------------------------------------------------------------------------------------


def test_recent_audio_is_found_by_the_servers_milliseconds() -> None:
    recent = RecentAudio(seconds=30)
    recent.append(chunk(b"ab" * 24))
    recent.append(chunk(b"cd" * 48))

    assert recent.between(0, 1) == b"ab" * 24
    assert recent.between(1, 3) == b"cd" * 48
    assert recent.between(2, 99) == b"cd" * 24
    assert recent.between(-5, 0) == b""
    assert recent.between(3, 1) == b""
    assert (recent.start_ms, recent.stop_ms) == (0, 3)


def test_the_oldest_audio_is_let_go_and_the_milliseconds_still_count_from_the_beginning() -> None:
    recent = RecentAudio(seconds=0.1)
    for second in range(10):
        recent.append(chunk(bytes([second]) * 4800))

    assert (recent.start_ms, recent.stop_ms) == (900, 1000)
    assert recent.between(0, 1000) == bytes([9]) * 4800
    assert recent.between(950, 951) == bytes([9]) * 48


def test_nothing_at_all_may_be_kept() -> None:
    recent = RecentAudio(seconds=0)
    recent.append(chunk(bytes(96)))

    assert (recent.start_ms, recent.stop_ms) == (2, 2)
    assert recent.between(0, 2) == b""


@given(st.lists(st.binary(min_size=1, max_size=300)), st.sampled_from([0.0, 0.01, 0.02]), FORMATS)
def test_the_newest_seconds_are_kept_and_hardly_more(pieces: list[bytes], seconds: float, format: AudioFormat) -> None:
    recent = RecentAudio(seconds=seconds, format=format)
    for piece in pieces:
        recent.append(chunk(piece))
    spoken, limit = b"".join(pieces), format.size(seconds)

    kept = recent.between(0, 10_000_000)

    assert spoken.endswith(kept)
    assert min(limit, len(spoken)) <= len(kept) < limit + 300
    assert recent.start_ms == format.ms(len(spoken) - len(kept))
    assert recent.stop_ms == format.ms(len(spoken))


def test_recent_audio_is_given_again_as_it_was_sent_from_an_offset_on() -> None:
    recent = RecentAudio(seconds=30)
    recent.append(chunk(b"ab" * 24))
    recent.append(chunk(b"cd" * 48, start=100))

    assert recent.sent_between(0, 9) == [chunk(b"ab" * 24), chunk(b"cd" * 48, start=100)]
    assert recent.sent_between(0.01, 2.0) == [chunk(b"ab" * 24), chunk(b"cd" * 24, start=100)]
    assert recent.sent_between(2.0, 2.5) == [chunk(b"cd" * 12, start=148)]
    assert recent.sent_between(2.0, 1.0) == recent.sent_between(3.0, 9) == []


def test_recent_audio_counts_on_in_milliseconds_when_the_format_changes() -> None:
    recent = RecentAudio(seconds=30)
    recent.append(chunk(bytes(48 * 100)))
    recent.use(PCM16)
    assert recent.between(0, 100) == bytes(48 * 100)

    recent.use(PCMU)
    recent.append(chunk(b"a" * 8 * 10 + b"b" * 8 * 10))

    assert (recent.start_ms, recent.stop_ms) == (100.0, 120.0)
    assert recent.between(50, 112) == b"a" * 80 + b"b" * 16

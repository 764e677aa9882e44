"""The person's sound comes in frames of 100 ms on a steady grid, whatever the source gives."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMU
from transports.wav.microphone import Microphone

FRAME = 4800  # bytes


def test_a_source_is_said_in_frames_at_their_times_and_then_silence_flows() -> None:
    microphone = Microphone(PCM16)
    microphone.speak(1.0)
    microphone.feed(1.0, b"\x01" * (FRAME + FRAME // 2))
    microphone.feed(1.0, b"")

    frames = [microphone.frame(1.1), microphone.frame(1.2)]

    assert [frame and (frame.start, frame.audio) for frame in frames] == [
        (24_000, b"\x01" * FRAME),
        (26_400, b"\x01" * (FRAME // 2) + bytes(FRAME // 2)),
    ]
    assert not microphone.speaking
    assert microphone.frame(1.25) is None
    silence = microphone.frame(1.3)
    assert silence is not None
    assert silence.audio == bytes(FRAME)
    assert microphone.spoken == pytest.approx(0.15)


def test_silence_is_that_of_the_format() -> None:
    microphone = Microphone(PCMU)
    microphone.speak(0.0)
    microphone.feed(0.0, b"")

    frame = microphone.frame(0.1)

    assert frame is not None
    assert frame.audio == b"\xff" * 800


def test_a_source_that_gives_nothing_yet_is_waited_for_without_silence() -> None:
    microphone = Microphone(PCM16)
    microphone.speak(0.0)
    microphone.feed(0.0, b"\x01" * 100)
    assert microphone.deadline == inf
    assert microphone.frame(0.5) is None

    microphone.feed(0.75, b"\x01" * FRAME)

    frame = microphone.frame(0.75)
    assert frame is not None
    assert frame.start == round(0.65 * 24_000)
    assert microphone.known(2.0) == 0.75


def test_more_is_read_when_less_than_a_second_is_left() -> None:
    microphone = Microphone(PCM16)
    hungry = [microphone.hungry]
    microphone.speak(0.0)
    hungry.append(microphone.hungry)
    microphone.feed(0.0, bytes(FRAME * 10))
    hungry.append(microphone.hungry)
    microphone.frame(0.1)
    hungry.append(microphone.hungry)

    assert hungry == [False, True, False, True]


def test_a_microphone_that_is_off_gives_nothing() -> None:
    microphone = Microphone(PCM16)
    microphone.speak(0.0)
    microphone.feed(0.0, b"")
    microphone.off()

    assert microphone.frame(10.0) is None
    assert microphone.deadline == inf
    assert microphone.known(3.0) == 3.0


@given(st.lists(st.binary(min_size=1, max_size=3 * FRAME), max_size=8))
def test_however_a_source_is_cut_the_same_is_said(pieces: list[bytes]) -> None:
    microphone = Microphone(PCM16)
    microphone.speak(0.0)
    for piece in pieces:
        microphone.feed(0.0, piece)
    microphone.feed(0.0, b"")
    said = b""
    at = 0.0
    while microphone.speaking:
        at = microphone.deadline
        frame = microphone.frame(at)
        assert frame is not None
        said += frame.audio

    whole = b"".join(pieces)
    assert said[: len(whole)] == whole
    assert not any(said[len(whole) :])
    assert len(said) == -(-len(whole) // FRAME) * FRAME

"""Audio in frames, and the law that the cut does not matter."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.sound import Samples, encode
from realtime_engine.upstreams.local.frames import Frames, Silero

FORMATS = [PCM16, PCMU, PCMA]


class Sum:
    """A detector that remembers all it was given."""

    def __init__(self) -> None:
        self.samples: list[Samples] = []

    def __call__(self, samples: Samples) -> float:
        self.samples.append(samples.copy())
        return float(np.abs(samples).mean())


def chirp(format: AudioFormat, seconds: float) -> bytes:
    t = np.arange(int(seconds * format.sample_rate)) / format.sample_rate
    return encode((np.sin(2 * np.pi * (200 + 300 * t) * t) * 0.5).astype(np.float32), format)


def cut(audio: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(audio) + 1) for place in places), len(audio)]
    return [audio[start:stop] for start, stop in pairwise(edges)]


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.type)
@given(places=st.lists(st.integers(0, 1 << 20), max_size=12))
def test_any_cut_of_the_same_audio_gives_the_same_frames(format: AudioFormat, places: list[int]) -> None:
    audio = chirp(format, 0.5)
    whole, pieces = Sum(), Sum()

    at_once = list(Frames(whole, format).feed(audio))
    frames = Frames(pieces, format)
    one_by_one = [frame for piece in cut(audio, places) for frame in frames.feed(piece)]

    assert one_by_one == at_once
    assert all(np.array_equal(one, two) for one, two in zip(whole.samples, pieces.samples, strict=True))


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.type)
def test_a_frame_is_32_ms_of_the_audio_in_its_right_place(format: AudioFormat) -> None:
    silence, click = format.silence(0.32), chirp(format, 0.032)
    loud = [number for number, level in Frames(Sum(), format).feed(silence + click + silence) if level > 0.05]

    assert loud == [10]


def test_a_frame_comes_no_more_than_three_frames_after_its_audio() -> None:
    frames = Frames(Sum(), PCM16)
    last = [-1]
    for number in range(100):
        last += [frame for frame, _ in frames.feed(chirp(PCM16, 0.032))]
        assert number - last[-1] <= 3


def test_a_stream_that_is_joined_late_keeps_to_the_grid() -> None:
    frames = Frames(Sum(), PCM16, missed=1536 * 5 + 768, first=100)

    numbers = [number for number, _ in frames.feed(bytes(1536 * 10))]

    assert numbers[0] == 105


def test_the_real_detector_gives_the_same_probabilities_whatever_the_cut() -> None:
    audio = chirp(PCM16, 1.0)
    frames = Frames(Silero(), PCM16)

    one_by_one = [frame for piece in cut(audio, range(0, len(audio), 999)) for frame in frames.feed(piece)]

    assert one_by_one == list(Frames(Silero(), PCM16).feed(audio))
    assert len(one_by_one) >= 28

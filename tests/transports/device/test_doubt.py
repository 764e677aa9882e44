"""Whether the model is still heard in what is left of the microphone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.sound import Samples, resample
from tests.transports.device.blocks import block
from transports.device.doubt import PROVEN_AFTER, USUAL, Doubt, likeness

RATE = 24_000
LATENCY = 0.1
JFK = Path(__file__).parents[2] / "audio" / "jfk.flac"


def voice(rate: int = RATE) -> Samples:
    """Speech almost without a pause: 5.2 s."""
    sound, own = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[:, 0], own, rate)
    parts = ((0.4, 2.2), (5.45, 7.6), (8.2, 9.45))
    return np.concatenate([speech[int(begin * rate) : int(end * rate)] for begin, end in parts])


def hear(doubt: Doubt, left: Samples, played: Samples, rate: int = RATE) -> list[float]:
    """Let it hear frames of 10 ms; at which seconds trust was lost."""
    size = rate // 100
    return [
        (start + size) / rate
        for start in range(0, left.size - size + 1, size)
        if doubt.hear(block(left[start : start + size]), block(played[start : start + size]))
    ]


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.55])
def test_the_model_in_the_microphone_is_known_at_any_delay_however_softly(rate: int, delay: float) -> None:
    played = np.tile(voice(rate), 2)
    left = np.concatenate([np.zeros(round(delay * rate), np.float32), played])[: played.size] * np.float32(0.02)
    left[: 3 * rate] = 0
    doubt = Doubt(rate, LATENCY)

    (lost,) = hear(doubt, left, played, rate)
    assert 3.0 < lost <= 3.25
    assert doubt.there


def test_it_is_trusted_when_so_much_was_played_of_which_nothing_is_left_and_not_by_silence() -> None:
    doubt = Doubt(RATE, LATENCY)
    silence, played = np.zeros(10 * RATE, np.float32), voice()
    size = int((PROVEN_AFTER - 0.1) * RATE)

    hear(doubt, silence, silence)
    doubts = [doubt.there]
    hear(doubt, silence[:size], played[:size])
    doubts.append(doubt.there)
    hear(doubt, silence[: RATE // 4], played[size : size + RATE // 4])
    doubts.append(doubt.there)
    doubt.begin()
    assert [*doubts, doubt.there] == [True, True, False, True]


@pytest.mark.parametrize("shift", [0.0, 0.7, 1.3, 1.9, 2.6, 3.4])
@pytest.mark.parametrize("faster", [0.8, 0.9, 1.2, 1.5])
def test_a_person_who_begins_to_speak_over_the_model_is_not_taken_for_it(shift: float, faster: float) -> None:
    played = voice()
    person = resample(np.roll(played, -round(shift * RATE)), 60, round(60 / faster))[: round(0.4 * RATE)]
    doubt = Doubt(RATE, LATENCY)
    begins = 4 * RATE

    hear(doubt, np.zeros(begins, np.float32), played[:begins])
    assert not doubt.there
    assert hear(doubt, person, played[begins:]) == []


def test_what_is_alike_is_so_at_any_loudness_and_silence_is_like_nothing() -> None:
    whole = voice()[:RATE]
    part = whole[5000:12000]

    assert likeness(part * np.float32(0.01), whole) == pytest.approx(1.0, abs=0.01)
    assert likeness(-part, whole) == pytest.approx(1.0, abs=0.01)
    assert likeness(np.random.default_rng(1).normal(size=7000).astype(np.float32), whole) < USUAL
    assert likeness(np.zeros(7000, np.float32), whole) == 0.0
    assert likeness(part, np.zeros(RATE, np.float32)) == 0.0

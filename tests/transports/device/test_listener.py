"""Whether the person speaks: a suspicion at once, then certainty, or a false alarm."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.sound import Samples, resample
from realtime_engine.upstreams.local.frames import Silero
from transports.device.listener import Decision, Listener

JFK = Path(__file__).parents[2] / "audio" / "jfk.flac"
RATE = 24_000
FRAME: Samples = np.zeros(RATE * 32 // 1000, np.float32)


class Scripted:
    """A detector that hears speech in the frames that are marked."""

    def __init__(self, frames: str) -> None:
        self._frames = iter(frames + "." * 100)

    def __call__(self, samples: Samples) -> float:
        return 1.0 if next(self._frames) == "#" else 0.0


def decisions(frames: str) -> list[tuple[int, Decision]]:
    """What is decided, each with the number of its frame."""
    listener = Listener(Scripted(frames), RATE)
    assert list(listener.hear(FRAME[:6])) == []  # from here on no frame lacks its last sample
    return [(number, decision) for number in range(len(frames)) for decision in listener.hear(FRAME)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("." * 40, []),
        ("#.#.#.#." * 5, []),  # single frames are noise
        ("##" + "." * 30, [(1, Decision.SUSPECTED), (15, Decision.DISMISSED)]),
        ("#######" + "." * 30, [(1, Decision.SUSPECTED), (6, Decision.CONFIRMED), (22, Decision.STOPPED)]),
        ("##..#.#.##.#" + "." * 30, [(1, Decision.SUSPECTED), (11, Decision.CONFIRMED), (27, Decision.STOPPED)]),
        ("##" + "." * 12 + "#" + "." * 30, [(1, Decision.SUSPECTED), (15, Decision.DISMISSED)]),
        ("#######" + ("." * 15 + "#") * 2 + "." * 16, [(1, Decision.SUSPECTED), (6, Decision.CONFIRMED), (54, Decision.STOPPED)]),  # noqa: E501
    ],
)  # fmt: skip
def test_two_frames_are_suspicious_and_200_ms_within_500_are_speech(
    frames: str, expected: list[tuple[int, Decision]]
) -> None:
    assert decisions(frames) == expected


def test_after_a_false_alarm_it_listens_again() -> None:
    kinds = [decision for _, decision in decisions("##" + "." * 20 + "#######" + "." * 20)]

    assert kinds == [Decision.SUSPECTED, Decision.DISMISSED, Decision.SUSPECTED, Decision.CONFIRMED, Decision.STOPPED]


def test_real_speech_is_suspected_within_150_ms_and_confirmed_soon() -> None:
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[:, 0], rate, RATE)
    listener = Listener(Silero(), RATE)
    heard = [(at / RATE, each) for at in range(240, len(speech), 240) for each in listener.hear(speech[at - 240 : at])]

    suspected = [at for at, decision in heard if decision is Decision.SUSPECTED]
    assert suspected == [pytest.approx(start + 0.1, abs=0.05) for start in (0.35, 3.30, 5.41, 8.19)]
    confirmed = [at for at, decision in heard if decision is Decision.CONFIRMED]
    assert [late - early for early, late in zip(suspected, confirmed, strict=True)] == [pytest.approx(0.16)] * 4

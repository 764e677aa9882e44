"""The real detector hears a real person (``audio/jfk.flac``; its README names the source)."""

from pathlib import Path

import pytest
import soundfile

from realtime_engine.sound import resample, to_pcm16
from realtime_engine.upstreams.local.frames import Silero
from tests.upstreams.local.harness import Client

SPOKEN = [(0.35, 2.24), (3.30, 4.38), (5.41, 7.62), (8.19, 10.59)]
"""Seconds, measured with the detector alone."""


def test_the_four_phrases_of_the_speech_are_four_turns() -> None:
    path = Path(__file__).parents[2] / "audio" / "jfk.flac"
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    client = Client(detector=Silero)
    detection = {"type": "server_vad", "silence_duration_ms": 200, "create_response": False}
    client.configure(turn_detection=detection)

    client.append(to_pcm16(resample(samples.mean(axis=1), rate, 24_000)))

    starts = [event["audio_start_ms"] + 300 for event in client.all("input_audio_buffer.speech_started")]
    stops = [event["audio_end_ms"] - 200 for event in client.all("input_audio_buffer.speech_stopped")]
    assert len(stops) == 4
    assert len(starts) in (4, 5)
    for (start, stop), heard in zip(SPOKEN, zip(starts, stops, strict=False), strict=False):
        assert heard == (pytest.approx(start * 1000, abs=100), pytest.approx(stop * 1000, abs=100))

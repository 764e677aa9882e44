"""A long conversation with the embedded model: simulated as fast as it goes, then replayed."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from bench.command import ENGINE, run
from bench.figure import Figure, at_least, at_most

SPEECH: Final = Path(__file__).parent.parent / "tests" / "audio" / "jfk.flac"
PAUSE: Final = 16.0  # seconds in which the answer is heard
LONG: Final = 30  # minutes
SHORT: Final = 10


def figures() -> Iterator[Figure]:
    """How fast, and in how much memory; the memory of a short one says whether it grows."""
    with tempfile.TemporaryDirectory(prefix="engine-bench-") as name:
        folder = Path(name)
        simulated, long = _converse(folder, minutes=LONG)
        yield at_least(f"`engine run --speed max`, {LONG} min with voice detection", simulated, 10, "× real time")
        _, short = _converse(folder, minutes=SHORT)
        cost = run(ENGINE, "replay", str(long))
        yield at_least(f"`engine replay`, {LONG} min", _length(long) / cost.seconds, 1000, "× real time")
        yield at_most(f"… its memory, {LONG} min", cost.megabytes, 150, "MB")
        grown = cost.megabytes - run(ENGINE, "replay", str(short)).megabytes
        yield at_most(f"… and how much more than for {SHORT} min", max(grown, 0.0), 5, "MB")


def _converse(folder: Path, *, minutes: int) -> tuple[float, Path]:
    """Have a conversation of so many minutes; how many times real time that was, and its recording."""
    question, recordings = folder / f"{minutes}.wav", folder / str(minutes)
    _write_question(question, seconds=minutes * 60)
    cost = run(
        *(ENGINE, "run", "--transport", "wav", "--upstream", "local", "--speed", "max"),
        *("--input", str(question), "--output", str(folder / "answer.wav"), "--record", str(recordings)),
    )
    (recording,) = recordings.iterdir()
    return _length(recording) / cost.seconds, recording


def _write_question(path: Path, *, seconds: int) -> None:
    """Eleven seconds of speech and a pause, again and again."""
    speech, rate = soundfile.read(SPEECH, dtype="float32", always_2d=True)
    turn = np.concatenate([speech.mean(axis=1), np.zeros(int(PAUSE * rate), np.float32)])
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(-(-seconds * rate // len(turn))):
            file.write(turn)


def _length(recording: Path) -> float:
    """Seconds of conversation, by the last line of a recording."""
    last = (recording / "events.jsonl").read_bytes().splitlines()[-1]
    return float(json.loads(last)["at"])

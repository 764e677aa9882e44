"""Make the golden recordings anew: ``make recordings``.

Each is a conversation with the embedded model on the virtual clock, held by the same command that a user types, then
packed. What they show is in README.md beside this file.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from tests.speech import write_speech

HERE: Final = Path(__file__).parent
SCRIPT: Final = HERE / "replies.toml"
TOOLS: Final = HERE / "tools.py"
SESSION: Final = HERE / "session.toml"


@dataclass(frozen=True, slots=True)
class Golden:
    """One conversation: its flags, and the exit status that it is meant to have."""

    name: str
    flags: Sequence[str]
    status: int = 0


def goldens(speech: Path) -> Sequence[Golden]:
    """All of them. ``speech`` is a folder in which spoken turns are made."""
    question, interruption = speech / "question.wav", speech / "interruption.wav"
    write_speech(question, "What is the weather like in Lisbon today?")
    write_speech(speech / "stop.wav", "Stop, that is enough.", voice="cedar")
    _join(interruption, question, 2.5, speech / "stop.wav")
    return (
        Golden("spoken-turn", ("--input", str(question), "--session", str(SESSION))),
        Golden("text-turn", ("--text", "Good morning! How are you?")),
        Golden("tool-call", ("--text", "What is the weather in Lisbon?", "--tools", str(TOOLS))),
        Golden("barge-in", ("--input", str(interruption), "--instructions", "Tell a long story.")),
        Golden("reconnection", ("--text", "Good morning!", "--text", "What did I say?", "--expires-after", "3")),
        Golden("failure", ("--text", "Please fail."), status=3),
    )


def make(golden: Golden) -> None:
    """Hold one conversation and put its packed recording in its place.

    Raises:
        RuntimeError: It ended with another exit status than it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        held = _engine(
            "run", "--transport", "wav", "--speed", "max", "--upstream", "local", "--script", str(SCRIPT),
            "--record", folder, *golden.flags,
        )  # fmt: skip
        if held.returncode != golden.status:
            raise RuntimeError(f"{golden.name}: exit status {held.returncode}, expected {golden.status}: {held.stderr}")
        (recording,) = Path(folder).iterdir()
        packed = _engine("pack", str(recording))
        if packed.returncode:
            raise RuntimeError(f"{golden.name}: {packed.stderr}")
        shutil.rmtree(HERE / golden.name, ignore_errors=True)
        shutil.copytree(recording, HERE / golden.name)


def _engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)  # noqa: S603


def _join(path: Path, first: Path, pause: float, second: Path) -> None:
    """Write two sounds with so many seconds between them."""
    (one, rate), (two, _) = soundfile.read(first, dtype="int16"), soundfile.read(second, dtype="int16")
    soundfile.write(path, np.concatenate([one, np.zeros(int(rate * pause), np.int16), two]), rate)


def main() -> None:
    """Make them all, and say so."""
    with tempfile.TemporaryDirectory() as speech:
        for golden in goldens(Path(speech)):
            make(golden)
            size = sum(file.stat().st_size for file in (HERE / golden.name).iterdir())
            print(f"recordings/{golden.name}: {size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()

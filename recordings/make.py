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

from realtime_engine.options import SessionOptions
from realtime_engine.recording.writer import create_recording
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.upstreams.local import Local, LocalOptions
from recordings.beta import BetaClient
from tests.speech import write_speech

HERE: Final = Path(__file__).parent
SCRIPT: Final = HERE / "replies.toml"
TOOLS: Final = HERE / "tools.py"
SESSION: Final = HERE / "session.toml"
BETA: Final = "beta-client"


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
        _keep(folder, golden.name)


def make_beta(question: Path) -> None:
    """Hold the conversation of a client that speaks the beta, for which there is no command, and put it in its place.

    Raises:
        RuntimeError: It could not be recorded.
    """
    model = Local(LocalOptions(script=SCRIPT))
    options = SessionOptions(mode="transparent", dialect="beta", upstream=model.name)
    with tempfile.TemporaryDirectory() as folder:
        with create_recording(Path(folder), options, front="ws", upstream=model.name, warn=_raise) as recorder:
            run = simulate(Session(options), front=BetaClient(question), connect=model.connect, record=recorder.record)
            recorder.end(run.at, run.reason)
        _keep(folder, BETA)


def _keep(folder: str, name: str) -> None:
    """Pack the one recording in a folder and put it in its place."""
    (recording,) = Path(folder).iterdir()
    packed = _engine("pack", str(recording))
    if packed.returncode:
        raise RuntimeError(f"{name}: {packed.stderr}")
    shutil.rmtree(HERE / name, ignore_errors=True)
    shutil.copytree(recording, HERE / name)


def _raise(warning: str) -> None:
    raise RuntimeError(warning)


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
        made = goldens(Path(speech))
        for golden in made:
            make(golden)
        make_beta(Path(speech) / "question.wav")
    for name in (*(golden.name for golden in made), BETA):
        size = sum(file.stat().st_size for file in (HERE / name).iterdir())
        print(f"recordings/{name}: {size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()

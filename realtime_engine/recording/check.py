"""Replay a recording from its folder, and say how that went."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from realtime_engine.commands import Step
from realtime_engine.options import SessionOptions
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import Difference, Replayable, replay


class Verdict(NamedTuple):
    """How a replay went.

    Attributes:
        name: The recording's.
        difference: The first one; None: it is the same as far as it goes.
        seconds: How long the conversation lasted, as far as it was replayed.
        commands: How many were compared.
        cut: Why the recording is incomplete; None: it is complete.
    """

    name: str
    difference: Difference | None
    seconds: float
    commands: int
    cut: str | None


def check(folder: Path, session: Callable[[SessionOptions], Replayable]) -> Verdict:
    """Replay a recording with a session made from its options.

    Raises:
        RecordingError: It cannot be read, or not to its end; what comes before is then the same.
    """
    seconds, commands = 0.0, 0

    def counted(steps: Iterator[Step]) -> Iterator[Step]:
        nonlocal seconds, commands
        for step in steps:
            seconds, commands = step.at, commands + len(step.commands)
            yield step

    with Recording(folder) as recording:
        end = recording.end.at if recording.end else None
        difference = replay(session(recording.about.options), counted(recording.steps()), end)
        return Verdict(recording.name, difference, end or seconds, commands, recording.cut)

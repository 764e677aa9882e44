"""``engine replay``: feed recordings to the engine of today."""

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from cli.out import lines
from realtime_engine.errors import RecordingError, UsageError
from realtime_engine.recording.accept import accept as accept_today
from realtime_engine.recording.check import Verdict, check
from realtime_engine.recording.show import explain
from realtime_engine.session import Session

Flag: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]


def replay(*recordings: Path, accept: Flag = False) -> int:
    """Feed recordings to the engine of today; exit 1 if it does anything else.

    The recorded inputs go in at their times, and every command that comes out
    is compared with the recorded one. No network, no clock, no cost: an hour
    takes a few seconds. Where a recording differs, its first difference is
    shown: when it was, what was expected, what came, the events around it.
    One that was cut off is replayed as far as it goes.

      engine replay my-recordings/*

      engine replay my-recordings/barge-in --accept

    Exit status: 0, all are the same; 1, one differs; 2, one cannot be read.

    Args:
        recordings: The folders of the recordings.
        accept: After an intended change: keep inputs and audio, and put the
            commands of today in the place of the recorded ones.
    """
    if not recordings:
        raise UsageError("name a recording: engine replay my-recordings/*")
    return max(_accept(folder) if accept else _replay(folder) for folder in recordings)


def _replay(folder: Path) -> int:
    try:
        verdict = check(folder, Session)
    except RecordingError as error:
        return _cannot(error)
    out = lines()
    if verdict.difference is None:
        out.print(f"{verdict.name}: {_how_far(verdict)}")
        return 0
    out.print(f"{verdict.name}: it differs")
    for line in explain(verdict.difference):
        out.print(f"  {line}")
    return 1


def _accept(folder: Path) -> int:
    try:
        changed = accept_today(folder, Session)
    except RecordingError as error:
        return _cannot(error)
    except OSError as error:
        return _cannot(UsageError(f"{folder} cannot be written: {error.strerror}"))
    lines().print(f"{folder.name}: {'accepted' if changed else 'identical, nothing to accept'}")
    return 0


def _how_far(verdict: Verdict) -> str:
    length = f"{verdict.seconds:.1f} s, {verdict.commands} commands"
    return f"identical ({length})" if verdict.cut is None else f"identical as far as it goes ({length}): {verdict.cut}"


def _cannot(error: UsageError) -> int:
    """Say it, and go on with the next recording."""
    lines(stderr=True).print(f"engine: {error}")
    return error.exit_status

"""A three-hour file is spoken to a model that answers every minute, on the virtual clock; how memory grows.

The answers and both sides are written too, into files that keep nothing. Prints the resident memory, in bytes, after
10 minutes of conversation and at its end.
"""

import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path

from realtime_engine.commands import Step
from realtime_engine.machine import Connected, Frame, MachineInput, MachineOutput
from realtime_engine.options import SessionOptions
from realtime_engine.session import Session
from realtime_engine.show import Scene, Who
from realtime_engine.simulate import simulate
from tests.script import created, done, frame, session_created, speech, speech_started, speech_stopped
from transports.wav import Spoken, Wav, WavOptions


class MinuteRepeater:
    """A model that hears speech in every minute of audio, and speaks for 20 s; it keeps nothing."""

    deadline = inf
    waits_for = "audio"

    def __init__(self) -> None:
        self._heard = 0
        self._turns = 0

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        if isinstance(given, Connected):
            return [frame(session_created())]
        if not isinstance(given, Frame) or b"append" not in given.raw[:50]:
            return ()
        self._heard += len(given.raw) * 3 // 4
        if self._heard < 60 * 48_000:
            return ()
        self._heard = 0
        self._turns += 1
        user, item, response = f"item_u{self._turns}", f"item_{self._turns}", f"resp_{self._turns}"
        committed = {"type": "input_audio_buffer.committed", "item_id": user}
        spoken = [speech(0.4, item=item, response=response)] * 50
        said = [speech_started(0, user), speech_stopped(0, user), committed, created(response), *spoken, done(response)]
        return [frame(each) for each in said]

    def advance(self, now: float) -> Sequence[MachineOutput]:
        return ()


class Nobody:
    """Watches, and says nothing of it."""

    lively = False

    def line(self, at: float, who: Who, text: str) -> None: ...

    def progress(self, name: str, seconds: float, total: float | None) -> None: ...

    def scene(self, scene: Scene | None) -> None: ...


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main(path: Path) -> None:
    options = SessionOptions(lead=Wav.lead, reports=Wav.reports)
    marks: list[int] = []

    def measure(step: Step) -> None:
        if not marks and step.at >= 600:
            marks.append(resident())

    heard, both = path.with_name("heard.wav"), path.with_name("both.wav")
    for nowhere in (heard, both):
        nowhere.symlink_to("/dev/null")  # three hours of both sides are a gigabyte
    wav = WavOptions(turns=(Spoken(path),), output=heard, mix=both, speed="max")
    with Wav(wav).open(options, Nobody()) as front:
        end = simulate(Session(options), front=front, connect=MinuteRepeater, record=measure)
    print(int(end.at), marks[0], resident())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

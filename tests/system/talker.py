"""A conversation for `test_kill`: recorded as it happens, in real time, until the process is killed.

Each step's time goes to standard output before it goes to the recorder: what the session has lived through. So do the
beats of a thread that writes as often as the recorder's does, and as much: how far the computer lets it.
"""

import os
import sys
import threading
from functools import partial
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import Final

import trio

from realtime_engine.commands import Step
from realtime_engine.engine import converse
from realtime_engine.inputs import Side
from realtime_engine.machine import Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.options import SessionOptions
from realtime_engine.recording.live import PERIOD, open_recorder
from realtime_engine.session import Session
from tests.script import Script, created, speech, speech_started

SECONDS = 30  # far longer than anybody lets it live
WRITES: Final = 4  # of the recorder's thread at a time, mostly; before and after each the event loop may hold it up
AUDIO: Final = bytes(4800)  # what both sides say between two beats


def front() -> Machine:
    script = Script()
    for n in range(SECONDS * 20):
        script.at(n / 20, bytes([n % 256]) * 2400)
    return script


def upstream() -> Machine:
    script = Script().at(0, created("resp_0"))
    for n in range(SECONDS * 10):
        script.at(n / 10, speech(0.3, item=f"item_{n // 10}", response=f"resp_{n // 10}"))
        if n % 10 == 9:
            script.at(n / 10, speech_started(n), created(f"resp_{n // 10 + 1}"))
    return script


def beat() -> None:
    with TemporaryFile(buffering=0) as file:
        while True:
            for _ in range(WRITES):
                file.write(AUDIO)
            os.write(1, b"beat %f\n" % monotonic())
            sleep(PERIOD)


async def main(root: Path) -> None:
    options = SessionOptions(lead=0.2, upstream="script")
    async with open_recorder(root, options, front="script", upstream="script", warn=print) as recorder:

        def record(step: Step) -> None:
            os.write(1, b"step %f %f\n" % (monotonic(), step.at))
            recorder.record(step)

        await converse(
            Session(options),
            open_front=partial(open_machine, Side.FRONT, front()),
            open_upstream=partial(open_machine, Side.UPSTREAM, upstream()),
            record=record,
        )
    await trio.sleep(inf)


if __name__ == "__main__":
    threading.Thread(target=beat, daemon=True).start()
    trio.run(main, Path(sys.argv[1]))

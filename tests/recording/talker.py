"""A process that records and is killed: it says the time of each input as soon as that is handed to the recorder.

python talker.py FOLDER
"""

import sys
from pathlib import Path

import trio

from realtime_engine.commands import Step
from realtime_engine.options import SessionOptions
from realtime_engine.recording.live import open_recorder
from tests.recording.parrot import Parrot, delta, speech, unwarned


async def talk(root: Path) -> None:
    """Record audio from both sides, for ever."""
    parrot = Parrot()
    async with open_recorder(root, SessionOptions(), front="wav", upstream="local", warn=unwarned) as recorder:
        start = trio.current_time()
        for count in range(1_000_000):
            at = round(trio.current_time() - start, 6)
            given = speech(bytes(480)) if count % 2 else delta(bytes(4800))
            recorder.record(Step(at, given, parrot.step(at, given)))
            print(at, flush=True)  # noqa: T201 - to the test
            await trio.sleep(0.005)


if __name__ == "__main__":
    trio.run(talk, Path(sys.argv[1]))

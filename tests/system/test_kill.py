"""After ``kill -9`` at any moment a recording opens, lacks no more than its last 200 ms, and replays."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from realtime_engine.recording.live import PERIOD
from realtime_engine.recording.reader import Recording

MOMENTS: Final = int(os.environ.get("ENGINE_KILLS", "50"))
AT_ONCE: Final = 5
MOST_LOST: Final = 0.2  # seconds
LAST_BEATS: Final = 3
HELD_UP: Final = 0.03  # seconds; more is a computer that has others to serve
TRIES: Final = 10  # to find it at leisure
ROOT: Final = Path(__file__).parents[2]


@dataclass(slots=True)
class Life:
    """What a conversation has lived through.

    Attributes:
        now: When its last step was, on the computer's clock.
        at: The same, on its own.
        beats: When a thread of its process that wants to write something every `PERIOD` had done so.
    """

    now: float = 0.0
    at: float = 0.0
    beats: list[float] = field(default_factory=list)

    def read(self, line: bytes) -> None:
        match line.split():
            case [b"step", now, at]:
                self.now, self.at = float(now), float(at)
            case [b"beat", now]:
                self.beats.append(float(now))

    @property
    def held_up(self) -> float:
        """Seconds for which the computer has let no thread of it do anything, at the most, shortly before the end."""
        last = [*self.beats[-LAST_BEATS:], max(self.now, self.beats[-1])]
        return max(later - earlier for earlier, later in pairwise(last)) - PERIOD


def killed_at(folder: Path, moments: list[float]) -> list[Life]:
    """Hold a conversation for each moment, all at once; kill each when it is there."""
    command = [sys.executable, "-m", "tests.system.talker"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    children = [
        subprocess.Popen([*command, folder / str(n)], cwd=ROOT, env=unmeasured, stdout=subprocess.PIPE)
        for n in range(len(moments))
    ]
    lives = [Life() for _ in moments]
    for n in sorted(range(len(moments)), key=moments.__getitem__):
        with children[n] as child:
            assert child.stdout is not None
            while lives[n].at < moments[n]:
                line = child.stdout.readline()
                assert line, "it has ended by itself"
                lives[n].read(line)
            child.kill()
            for line in child.stdout:
                lives[n].read(line)
    return lives


def killed_at_leisure(folder: Path, moments: list[float]) -> list[tuple[Path, Life]]:
    """The same, again for each that the computer has held up: it would be the computer that is measured."""
    found: dict[float, tuple[Path, Life]] = {}
    for attempt in range(TRIES):
        left = [moment for moment in moments if moment not in found or found[moment][1].held_up > HELD_UP]
        for n in range(0, len(left), AT_ONCE):
            here, at_once = folder / f"{attempt}-{n}", left[n : n + AT_ONCE]
            for k, life in enumerate(killed_at(here, at_once)):
                (recording,) = (here / str(k)).iterdir()
                found[at_once[k]] = recording, life
    return [found[moment] for moment in moments]


def test_after_a_kill_at_fifty_moments_every_recording_lacks_at_most_200_ms_and_replays(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    killed = killed_at_leisure(tmp_path, [chance.uniform(0.05, 1.5) for _ in range(MOMENTS)])

    lost = []
    for recording, life in killed:
        with Recording(recording) as opened:
            lost.append(life.at - max((step.at for step in opened.steps()), default=0.0))
    assert max(lost) <= MOST_LOST, sorted(lost)[-5:]
    recordings = [recording for recording, _ in killed]

    replayed = subprocess.run(
        [sys.executable, "-m", "cli", "replay", *recordings], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert replayed.stdout.count("cut off") == MOMENTS


def test_the_last_line_of_a_killed_recording_may_be_torn_but_no_other(tmp_path: Path) -> None:
    killed_at(tmp_path, [0.5, 0.9])

    for recording in tmp_path.glob("*/*"):
        *lines, _ = (recording / "events.jsonl").read_bytes().split(b"\n")
        assert all(json.loads(line) for line in lines)

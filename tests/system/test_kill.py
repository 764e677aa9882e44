"""After ``kill -9`` at any moment a recording opens, lacks no more than its last 200 ms, and replays."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

from realtime_engine.recording.reader import Recording

MOMENTS: Final = int(os.environ.get("ENGINE_KILLS", "50"))
AT_ONCE: Final = 5
MOST_LOST: Final = 0.2  # seconds
ROOT: Final = Path(__file__).parents[2]


def killed_at(folder: Path, moments: list[float]) -> list[float]:
    """Hold a conversation for each moment, all at once; kill each when it is there. The last times they saw."""
    command = [sys.executable, "-m", "tests.system.talker"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    children = [
        subprocess.Popen([*command, folder / str(n)], cwd=ROOT, env=unmeasured, stdout=subprocess.PIPE)
        for n in range(len(moments))
    ]
    last = dict.fromkeys(range(len(moments)), 0.0)
    for n in sorted(last, key=moments.__getitem__):
        with children[n] as child:
            assert child.stdout is not None
            while last[n] < moments[n]:
                last[n] = float(child.stdout.readline())
            child.kill()
            for line in child.stdout:
                last[n] = float(line)
    return list(last.values())


def test_after_a_kill_at_fifty_moments_every_recording_lacks_at_most_200_ms_and_replays(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    moments = [chance.uniform(0.05, 1.5) for _ in range(MOMENTS)]
    lived: list[float] = []
    for n in range(0, MOMENTS, AT_ONCE):
        lived += killed_at(tmp_path / str(n), moments[n : n + AT_ONCE])
    recordings = [next((tmp_path / str(n // AT_ONCE * AT_ONCE) / str(n % AT_ONCE)).iterdir()) for n in range(MOMENTS)]

    lost = []
    for recording, at in zip(recordings, lived, strict=True):
        with Recording(recording) as opened:
            lost.append(at - max((step.at for step in opened.steps()), default=0.0))
    assert max(lost) <= MOST_LOST, sorted(lost)[-5:]

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

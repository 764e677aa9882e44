"""After ``kill -9`` everything up to the last 200 ms can be read and replayed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import replay
from tests.recording.parrot import Parrot

ROOT = Path(__file__).parent.parent.parent
MOST_LOST = 0.2  # seconds
_moments = random.Random(20)
MOMENTS = [round(_moments.uniform(0.0, 0.6), 3) for _ in range(6)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_recording_lacks_at_most_its_last_200_ms(tmp_path: Path, moment: float) -> None:
    command = [sys.executable, "-m", "tests.recording.talker", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [float(process.stdout.readline())]
        time.sleep(moment)
        process.kill()
        said += [float(line) for line in process.stdout if line.endswith("\n")]

    (folder,) = tmp_path.iterdir()
    with Recording(folder) as recording:
        assert recording.cut == "cut off"
        steps = list(recording.steps())
        assert replay(Parrot(), recording.steps()) is None
    recorded = [step.at for step in steps if step.input is not None]
    assert said[-1] - (recorded[-1] if recorded else 0.0) <= MOST_LOST
    for wav in folder.glob("*.wav"):
        assert soundfile.info(wav).frames <= (wav.stat().st_size - 44) // 2

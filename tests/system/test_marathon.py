"""A conversation of hours takes no more memory than one of minutes."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

ROOT: Final = Path(__file__).parents[2]
HOURS: Final = 3


def test_a_three_hour_file_takes_at_most_20_mb_more_at_its_end_than_after_10_minutes(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(HOURS * 60):
            file.write(np.zeros(60 * 8000, np.int16))

    done = subprocess.run(
        [sys.executable, "-m", "tests.system.marathon", path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    seconds, early, late = map(int, done.stdout.split())
    assert seconds >= HOURS * 3600
    assert late - early <= 20e6, f"{early / 1e6:.1f} MB after 10 minutes, {late / 1e6:.1f} MB at the end"

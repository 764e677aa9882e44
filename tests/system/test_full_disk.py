"""A disk on which nothing more fits ends the recording, and not the conversation.

The limit on a file's size stands in for the disk: the kernel refuses the write in the same way.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FITS: Final = 200_000  # bytes a file; 4 s of speech


def nothing_more_fits() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FITS, FITS))


def engine(*arguments: str | Path, limited: bool = False) -> subprocess.CompletedProcess[str]:
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=unmeasured,  # what coverage writes would not fit either
        preexec_fn=nothing_more_fits if limited else None,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_conversation_goes_on_with_one_warning_and_the_recording_says_where_it_ends(tmp_path: Path) -> None:
    talk = ("run", "--transport", "wav", "--upstream", "local", "--input", "tests/audio/jfk.flac", "--speed", "max")

    held = engine(*talk, "--record", tmp_path / "rec", limited=True)
    free = engine(*talk)

    assert (held.returncode, free.returncode) == (0, 0), held.stderr
    said = [line for line in (held.stdout + held.stderr).splitlines() if " model " in line]
    assert said == [line for line in (free.stdout + free.stderr).splitlines() if " model " in line]
    assert (held.stdout + held.stderr).count("the recording") == 1

    (recording,) = (tmp_path / "rec").iterdir()
    ended = json.loads((recording / "recording.json").read_bytes())["ended"]
    assert ended["complete"] is False
    assert 3.5 < ended["at"] < 5.0
    assert "too large" in ended["reason"]
    replayed = engine("replay", recording)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "as far as it goes" in replayed.stdout

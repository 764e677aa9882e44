"""The README's quick start, followed word for word."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
README: Final = (ROOT / "README.md").read_text("utf-8")
QUICK_START: Final = README.partition("## Quick start")[2].partition("\n## ")[0].strip()

COMMANDS: Final = [line.strip() for line in QUICK_START.splitlines() if line.startswith("    ")]
SETTING_UP: Final = ("make ", ". .venv/")


def test_the_quick_start_is_short_and_begins_with_the_two_commands_that_count() -> None:
    assert len(QUICK_START.splitlines()) <= 40
    assert [command.partition("#")[0].strip() for command in COMMANDS[:2]] == ["make run", "make test"]


def test_make_run_has_a_spoken_question_answered(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    done = subprocess.run(
        ["make", "--old-file=setup", "run", f"BIN={Path(sys.executable).parent}"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "question.wav" in done.stdout + done.stderr
    assert "sunny in Lisbon" in done.stdout + done.stderr


def test_every_command_of_the_quick_start_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "tests" / "audio" / "jfk.flac", tmp_path / "lecture.flac")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    for command in COMMANDS:
        if command.startswith(SETTING_UP):
            continue
        recordings = tmp_path / "my-recordings"
        name = next((path.name for path in recordings.glob("*")), "")
        done = subprocess.run(
            command.replace("NAME", name),
            check=False,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    assert (tmp_path / "answer.wav").stat().st_size > 10_000
    assert (tmp_path / "both.wav").stat().st_size > 10_000

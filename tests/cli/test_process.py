"""The command in a process of its own, with pipes and signals."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import soundfile

ROOT = Path(__file__).parent.parent.parent
LOCAL = ("--upstream", "local", "--speech", "tones")


def start(*tokens: str | Path, cwd: Path, stdin: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *map(str, tokens)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_sound_on_standard_output_and_words_on_standard_error(tmp_path: Path) -> None:
    with start("run", *LOCAL, "--text", "Hello?", "--output", "-", "--speed", "max", cwd=tmp_path) as process:
        wav, words = process.communicate(timeout=60)

    assert process.returncode == 0, words
    assert "Hello?" in words.decode()
    samples, rate = soundfile.read(io.BytesIO(wav))
    assert rate == 24_000
    assert samples.size > 0


def test_one_conversation_can_be_piped_into_another(tmp_path: Path) -> None:
    with start("run", *LOCAL, "--text", "Hello?", "--output", "-", "--speed", "max", cwd=tmp_path) as asks:
        assert asks.stdout is not None
        answer = start("run", *LOCAL, "--input", "-", "--speed", "max", cwd=tmp_path, stdin=asks.stdout)
        with answer:
            out, words = answer.communicate(timeout=60)

    assert answer.returncode in {0, 3}, "tones may be no speech"
    assert "♪ standard input" in out.decode(), words


def test_ctrl_c_during_a_live_microphone_leaves_a_complete_recording_and_status_130(tmp_path: Path) -> None:
    tokens = ("run", *LOCAL, "--input", "-", "--record", "recordings")
    with start(*tokens, cwd=tmp_path, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bytes(24_000))
        process.stdin.flush()
        assert "♪ standard input" in process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)

    assert process.returncode == 130, words
    (about,) = (tmp_path / "recordings").glob("*/recording.json")
    assert json.loads(about.read_text())["ended"]["complete"]


def test_a_reader_that_has_gone_away_is_said(tmp_path: Path) -> None:
    with start("run", *LOCAL, "--text", "Hello? " * 20, "--output", "-", "--speed", "max", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        words = process.stderr.read().decode()
        process.wait(60)

    assert process.returncode == 2
    assert "standard output: cannot be written any more: Broken pipe" in words
    assert "Traceback" not in words

"""The command in a process of its own, with pipes and signals."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
import soundfile

ROOT = Path(__file__).parent.parent.parent
LOCAL = ("--upstream", "local", "--speech", "tones")


def start(
    *tokens: str | Path,
    cwd: Path,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *map(str, tokens)],
        stdin=stdin,
        stdout=stdout,
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


def test_who_watches_a_conversation_may_go_away(tmp_path: Path) -> None:
    tokens = ("run", *LOCAL, "--text", "Hello?", "--speed", "max", "--record", "recordings")
    with start(*tokens, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        words = process.stderr.read().decode()
        process.wait(60)

    assert (process.returncode, words) == (0, "")
    (about,) = (tmp_path / "recordings").glob("*/recording.json")
    assert json.loads(about.read_text())["ended"]["complete"]


GONE = {
    "inspect": ("inspect", "--events", ROOT / "recordings/barge-in"),
    "table": ("inspect", ROOT / "recordings/barge-in"),
    "json": ("inspect", "--json", ROOT / "recordings/barge-in"),
    "replay": ("replay", ROOT / "recordings/barge-in"),
    "help": ("run", "--help"),
    "version": ("--version",),
}


@pytest.mark.parametrize("name", GONE)
def test_a_command_ends_quietly_when_nobody_reads_it_any_more(name: str, tmp_path: Path) -> None:
    with start(*GONE[name], cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        words = process.stderr.read().decode()
        process.wait(60)

    assert (process.returncode, words) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
@pytest.mark.parametrize("name", GONE)
def test_a_full_disk_under_standard_output_is_one_line_and_status_2(name: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, start(*GONE[name], cwd=tmp_path, stdout=full) as process:
        _, words = process.communicate(timeout=60)

    assert process.returncode == 2
    assert words.decode() == "engine: standard output cannot be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_conversation_goes_on_when_it_can_no_longer_be_shown(tmp_path: Path) -> None:
    tokens = ("run", *LOCAL, "--text", "Hello?", "--speed", "max", "--record", "recordings")
    with Path("/dev/full").open("wb") as full, start(*tokens, cwd=tmp_path, stdout=full) as process:
        _, words = process.communicate(timeout=60)

    assert process.returncode == 0
    assert words.decode() == "engine: nothing more is shown: No space left on device\n"
    (about,) = (tmp_path / "recordings").glob("*/recording.json")
    assert json.loads(about.read_text())["ended"]["complete"]


def test_without_standard_output_it_works_all_the_same(tmp_path: Path) -> None:
    command = f"{sys.executable} -m cli run --upstream local --speech tones --text Hello? --speed max >&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    run = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert (run.returncode, run.stderr) == (0, b"")


def test_words_that_standard_output_has_no_signs_for_are_written_as_escapes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "run", *LOCAL, "--text", "grüß", "--speed", "max"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}

    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert (run.returncode, run.stderr) == (0, b"")
    assert rb"gr\xfc\xdf" in run.stdout


def test_ctrl_c_ends_a_function_that_hangs_on_the_virtual_clock(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(
        "import os, signal, time\n\ndef wait() -> None:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(600)\n"
    )
    (tmp_path / "replies.toml").write_text('[[reply]]\ncall = { name = "wait" }\n')
    tokens = ("run", *LOCAL, "--script", "replies.toml", "--tools", "sleepy.py", "--text", "Wait!", "--speed", "max")
    with start(*tokens, "--record", "recordings", cwd=tmp_path) as process:
        _, words = process.communicate(timeout=60)

    assert process.returncode == 130, words
    (about,) = (tmp_path / "recordings").glob("*/recording.json")
    assert json.loads(about.read_text())["ended"]["reason"] == "interrupted"

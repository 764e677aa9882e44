"""A disk on which nothing more fits ends the recording, and not the conversation.

For one conversation the limit on a file's size stands in for the disk: the kernel refuses the write in the same way. A
server has a disk of 1 MiB, in memory, which only it can see.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from websockets.sync.client import connect

from realtime_engine.audio import encode_base64
from tests.served import PATIENCE, served, with_mounts
from tests.system.test_workers import eventually, lines, metric

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


def fill(disk: Path) -> None:
    """Take what is left: a recording that is cut gives back its torn line, and another might just begin there."""
    with (disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(bytes(1024))


def test_a_server_whose_disk_is_full_goes_on_and_says_which_conversations_are_not_recorded(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    flags = ("--upstream", "local", "--speech", "tones", "--log", "json", "--record", disk)
    second = json.dumps({"type": "input_audio_buffer.append", "audio": encode_base64(bytes(48_000)).decode()})
    with served(*flags, within=with_mounts(f"mount -t tmpfs -o size=1m tmpfs '{disk}'")) as server:
        with connect(server.realtime) as client:

            def is_full() -> bool:
                client.send(second)  # for it is said when something more comes
                return any("No space left on device" in line for line in server.said)

            eventually(is_full)
            fill(Path(f"/proc/{server.process.pid}/root/{disk}"))
            client.send(json.dumps({"type": "conversation.item.retrieve", "item_id": "none"}))
            while json.loads(client.recv(timeout=PATIENCE))["type"] != "error":
                pass
        with connect(server.realtime) as another:
            assert json.loads(another.recv(timeout=PATIENCE))["type"] == "session.created"
        assert metric(server, "engine_recordings_cut_total") == 2
        shutil.copytree(f"/proc/{server.process.pid}/root/{disk}", tmp_path / "copy")

    warnings = [str(line["event"]) for line in map(json.loads, server.said) if line["level"] == "warning"]
    assert len(warnings) == 2
    assert "ends at" in warnings[0]
    assert warnings[1].startswith("the conversation is not recorded: cannot record in")
    assert len(lines(server, "conversation ended")) == 2
    (recording,) = (path for path in (tmp_path / "copy").iterdir() if path.is_dir())
    replayed = engine("replay", recording)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "as far as it goes" in replayed.stdout

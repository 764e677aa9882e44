"""The wall clock may jump by a day, ahead or back: no conversation, deadline or recording goes by it."""

import json
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from realtime_engine.recording.reader import Recording
from tests.served import PATIENCE, served
from tests.system.test_workers import lines, talking

LIBRARY: Final = "libfaketime.so.1"


def library() -> Path:
    """The library that tells a process another time (Debian's package ``faketime``)."""
    found = [*Path("/usr/lib").glob(f"*/faketime/{LIBRARY}")]
    assert found, "faketime is not installed: make system"
    return found[0]


def answered(client: Connection) -> str:
    """The status of the answer to a typed turn."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps({"type": "response.create"}))
    while (event := json.loads(client.recv(timeout=PATIENCE)))["type"] != "response.done":
        pass
    return str(event["response"]["status"])


@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_a_conversation_goes_on_when_the_wall_clock_jumps_by_a_day(tmp_path: Path, jump: str) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    env = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    records = tmp_path / "records"
    flags = ("--upstream", "local", "--speech", "tones", "--log", "json", "--max-duration", "600", "--max-idle", "600")
    keep = ("--record", records, "--record-keep", "0.5")
    with served(*flags, *keep, env=env) as server, talking(server, 1) as (client,):
        assert answered(client) == "completed"
        clock.write_text(f"{jump}\n")
        with connect(server.realtime) as another:
            assert answered(another) == "completed"
        assert answered(client) == "completed"
        written = (only(records, 2)[0] / "events.jsonl").stat
        before = written().st_size
        assert answered(client) == "completed"
        deadline = monotonic() + PATIENCE
        while written().st_size == before:  # the recorder's thread does not wait for a day
            assert monotonic() < deadline
            sleep(0.05)

    days = [str(json.loads(line)["time"])[:10] for line in server.said]
    assert len(set(days)) > 1  # it was told another time
    assert [line["code"] for line in lines(server, "conversation ended")] == [1000, 1000]
    for folder in only(records, 2):
        with Recording(folder) as recording:
            assert recording.end is not None


def only(records: Path, number: int) -> list[Path]:
    """The recordings, the oldest first; so many there are."""
    folders = sorted(records.iterdir(), key=lambda folder: folder.stat().st_ctime_ns)
    assert len(folders) == number
    return folders

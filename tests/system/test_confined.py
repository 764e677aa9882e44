"""The server needs no rights: not root's, and nowhere to write but where it records."""

import json
import urllib.request
from pathlib import Path
from typing import Final

from websockets.sync.client import connect

from realtime_engine.recording.reader import Recording
from tests.served import PATIENCE, served, with_mounts

NOBODY: Final = 1000


def test_it_serves_and_records_on_a_read_only_file_system_as_an_ordinary_user(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    script = f"mount --bind '{records}' '{records}'; mount -o remount,ro,bind /"
    become = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]

    with served(
        *("--upstream", "local", "--speech", "tones", "--record", records, "--record-quota", "1G"),
        within=[*with_mounts(script), *become],
    ) as server:
        process = Path(f"/proc/{server.process.pid}")
        assert (process / "uid_map").read_text().split()[0] == str(NOBODY)
        (root,) = [line for line in (process / "mounts").read_text().splitlines() if line.split()[1] == "/"]
        assert root.split()[3].startswith("ro,")
        with urllib.request.urlopen(f"{server.http}/") as page:
            assert page.status == 200
        with connect(server.realtime) as client:
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
            client.send(json.dumps({"type": "conversation.item.create", "item": item}))
            client.send(json.dumps({"type": "response.create"}))
            while json.loads(client.recv(timeout=PATIENCE))["type"] != "response.done":
                pass

    (folder,) = records.iterdir()
    with Recording(folder) as recording:
        assert recording.end is not None

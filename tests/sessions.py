"""The recorded sessions under ``tests/traces``, as frames."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from realtime_engine.objects import Json

FOLDER: Final = Path(__file__).parent / "traces"


class Frame(NamedTuple):
    """One recorded text frame, and how to find it again.

    Attributes:
        source: Vendor and file: ``openai/tool_call_round.jsonl``.
        line: Counted from 1.
        sent: By the client; otherwise by the server.
        event: The frame's JSON.
    """

    source: str
    line: int
    sent: bool
    event: Mapping[str, Json]

    @property
    def type(self) -> str:
        """The event's type."""
        return str(self.event["type"])

    @property
    def raw(self) -> bytes:
        """The frame as the services write it: compact, in UTF-8."""
        return json.dumps(self.event, ensure_ascii=False, separators=(",", ":")).encode()


def frames(*vendors: str) -> list[Frame]:
    """All frames of these vendors' sessions, in order, file by file."""
    return [frame for vendor in vendors for path in sorted((FOLDER / vendor).iterdir()) for frame in read(path)]


def read(path: Path) -> Iterator[Frame]:
    """The frames of one session; HTTP exchanges and closes are left out."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        entry = json.loads(line)
        if entry["dir"] in {"send", "recv"}:
            source = str(path.relative_to(FOLDER))
            yield Frame(source, number, sent=entry["dir"] == "send", event=entry["event"])

"""A recorded session, said again over real sockets: a server with the server's part, and who speaks the client's."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from realtime_engine.audio import encode_base64
from realtime_engine.dialect import to_beta
from realtime_engine.machine import Close
from tests.script import Said, Script
from tests.sessions import FOLDER, Frame, read

APPEND: Final = "input_audio_buffer.append"
SPEECH: Final = "response.output_audio.delta"
_SPEECHES: Final = (SPEECH, "response.audio.delta")
SPOKEN_MS: Final = 500
"""How long a piece of the model's speech is made: of its real length there are 32 bytes left."""

_CAUSED: Final = frozenset(
    {
        "session.updated",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.truncated",
        "input_audio_buffer.speech_started",
        "response.created",
    }
)
"""What a server says in answer to its client: till then it waits for all that the client had said before it."""


def recorded(source: str) -> Sequence[Frame]:
    """The frames of a session."""
    return list(read(FOLDER / source))


def sources(*vendors: str) -> list[str]:
    """The sessions of these vendors that hold frames."""
    files = [path for vendor in vendors for path in sorted((FOLDER / vendor).iterdir())]
    return [str(path.relative_to(FOLDER)) for path in files if any(read(path))]


def in_beta(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The same session, had it been held in the beta."""
    said = [(frame, to_beta(frame.raw)) for frame in frames]
    return [frame._replace(event=json.loads(raw)) for frame, raw in said if raw is not None]


_UNSAID_BY_XAI: Final = (
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "rate_limits.updated",
)
_ID: Final = re.compile(r"\b(?:item|resp|event|conv|call)_\w{8,}")


def in_xais_manner(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The same session as xAI would have held it, by the manners that its recorded ones show.

    Ids are UUIDs; everything has a predecessor, mostly null; of an item that ends nothing is said; usage stands beside
    the response.
    """
    greeting = [frame for frame in recorded("xai/text_in_audio_out_turn.jsonl")[:5] if not frame.sent]
    session = next(n for n, frame in enumerate(frames) if frame.type == "session.updated")
    return [
        *(frame for frame in frames[:session] if frame.sent),
        *greeting,
        *(_as_xai(frame) for frame in frames[session + 1 :] if frame.type not in _UNSAID_BY_XAI),
    ]


def _as_xai(frame: Frame) -> Frame:
    event: dict[str, Any] = json.loads(
        _ID.sub(lambda found: str(uuid5(NAMESPACE_OID, found[0])), json.dumps(frame.event))
    )
    if frame.sent:
        return frame._replace(event=event)
    if frame.type == "response.output_item.done":
        event["item"] = {key: event["item"][key] for key in ("id", "type", "status", "role") if key in event["item"]}
    if "response" in event:
        event["usage"] = event["response"].pop("usage")
        event["response"] |= {"status_details": "unimplemented", "usage": {}}
    if frame.type == "input_audio_buffer.committed":
        event["previous_item_id"] = None
    return frame._replace(event={"previous_item_id": None, **event})


@dataclass(slots=True)
class Servers:
    """Real servers, one connection after the other, each with its own way to answer.

    Attributes:
        url: Where they are, without a path.
        asked: The path, with its query, and the headers of each handshake.
        heard: What each connection was told.
    """

    url: str = ""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    heard: list[list[str]] = field(default_factory=list)

    def all(self, kind: str, connection: int = -1) -> list[dict[str, Any]]:
        """All events of a type that a connection was told; the last one's, by default."""
        events = [json.loads(text) for text in self.heard[connection]]
        return [event for event in events if event["type"] == kind]

    def types(self, connection: int = -1) -> list[str]:
        """The types of all that a connection was told."""
        return [str(json.loads(text)["type"]) for text in self.heard[connection]]


Serve = Callable[[WebSocketConnection, list[str]], Awaitable[None]]
"""Answers one connection; what it is told goes into the list."""


@asynccontextmanager
async def open_servers(*answers: Serve | int) -> AsyncIterator[Servers]:
    """Serve for as long as the block lasts; a number is a refusal, and a connection too many is refused with 503."""
    servers, left = Servers(), list(answers)

    async def handle(request: WebSocketRequest) -> None:
        servers.asked.append((request.path, {name.decode(): value.decode() for name, value in request.headers}))
        answer = left.pop(0) if left else 503
        if isinstance(answer, int):
            await request.reject(answer, body=str(request.headers).encode())
            return
        heard: list[str] = []
        servers.heard.append(heard)
        connection = await request.accept()
        with suppress(ConnectionClosed):
            await answer(connection, heard)

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
        servers.url = f"ws://127.0.0.1:{server.port}"
        yield servers
        nursery.cancel_scope.cancel()


async def hear(connection: WebSocketConnection, heard: list[str]) -> None:
    """One message of the client's."""
    heard.append(str(await connection.get_message()))


async def listen(connection: WebSocketConnection, heard: list[str]) -> None:
    """All that the client says, to its end."""
    while True:
        await hear(connection, heard)


def in_step(frames: Sequence[Frame]) -> Serve:
    """A server that says each frame in its turn, when it has been told all that the other had been told before."""

    async def answer(connection: WebSocketConnection, heard: list[str]) -> None:
        for frame in frames:
            if frame.sent:
                await hear(connection, heard)
            else:
                await connection.send_message(frame.raw.decode())
        await listen(connection, heard)

    return answer


def in_its_own_time(frames: Sequence[Frame], *, piece_ms: int = SPOKEN_MS, code: int | None = None) -> Serve:
    """A server that answers what it was then told, and as often, whatever else it is told now.

    Args:
        frames: The session.
        piece_ms: How long each piece of its speech is.
        code: With what it closes at the end; None: it does not.
    """

    async def answer(connection: WebSocketConnection, heard: list[str]) -> None:
        before: Counter[str] = Counter()
        for frame in frames:
            if frame.sent:
                before[frame.type] = 1 if frame.type == APPEND else before[frame.type] + 1
                continue
            while frame.type in _CAUSED and not _covers(heard, before):
                await hear(connection, heard)
            await connection.send_message(json.dumps(spoken(frame.event, piece_ms)))
        if code is not None:
            await connection.aclose(code)
        await listen(connection, heard)

    return answer


def takes_in(*greeting: Frame, items: int, named: Callable[[], str] | None = None) -> Serve:
    """A server that greets, and makes every item that it is told of.

    Args:
        greeting: What it says first.
        items: After so many items it says ``rate_limits.updated``, which is news to everybody.
        named: What it calls an item, if it names them itself; it then says of none that it is done, as xAI.
    """

    async def answer(connection: WebSocketConnection, heard: list[str]) -> None:
        for frame in greeting:
            await connection.send_message(frame.raw.decode())
        left = items
        while left:
            await hear(connection, heard)
            event = json.loads(heard[-1])
            if event["type"] == "conversation.item.create":
                left -= 1
                item = {"id": "item_new", **event["item"], "status": "completed"}
                for kind in ("added", "done") if named is None else ("added",):
                    made = item if named is None else {**item, "id": named()}
                    said = {"type": f"conversation.item.{kind}", "event_id": "event_new", "item": made}
                    await connection.send_message(json.dumps(said))
        await connection.send_message('{"type":"rate_limits.updated","event_id":"event_new","rate_limits":[]}')
        await listen(connection, heard)

    return answer


def _covers(heard: Sequence[str], before: Counter[str]) -> bool:
    return before <= Counter(str(json.loads(text)["type"]) for text in heard)


def spoken(event: Mapping[str, Any], piece_ms: int) -> Mapping[str, Any]:
    """A frame whose speech, if it has any, has the length of speech."""
    return {**event, "delta": encode_base64(bytes(48 * piece_ms)).decode()} if event["type"] in _SPEECHES else event


def as_then(frame: Frame) -> Said | None:
    """What the client said."""
    return frame.event


def client_of(frames: Sequence[Frame], says_now: Callable[[Frame], Said | None] = as_then) -> Script:
    """The client's part: each frame when that which came before it then has come; it leaves after the last.

    Microphone audio is one piece of sound.

    Args:
        frames: The session.
        says_now: What the front says in place of a frame; None: nothing.
    """
    says: dict[str, list[Said]] = {}
    after = "connected"
    for frame in frames:
        said = says.setdefault(after, [])
        if not frame.sent:
            after = str(frame.event["event_id"])
        elif frame.type == APPEND:
            said += [] if bytes(4800) in said else [bytes(4800)]
        elif (now := says_now(frame)) is not None:
            said.append(now)
    says.setdefault(after, []).append(Close(1000))
    script = Script().on("connected", lambda _: says["connected"])
    for kind in {frame.type for frame in frames if not frame.sent}:
        script.on(kind, lambda event: says.get(event["event_id"], ()))
    return script

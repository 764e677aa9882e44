"""A client that does what no library would do: frames as it likes, at the pace it likes, or not at all."""

import json
import os
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import trio

from tests.servers import PATIENCE, Served

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_FIN: Final = 0x80
_MASKED: Final = 0x80


class Frame(NamedTuple):
    """A frame that the server has sent."""

    opcode: int
    payload: bytes


def frame(opcode: int, payload: bytes = b"", *, last: bool = True) -> bytes:
    """A frame of a client, with a mask of zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([_MASKED | size])
    elif size < 1 << 16:
        length = struct.pack("!BH", _MASKED | 126, size)
    else:
        length = struct.pack("!BQ", _MASKED | 127, size)
    return bytes([(_FIN if last else 0) | opcode]) + length + bytes(4) + payload


class Rude:
    """A connection on which anything can be sent."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._come = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def shake_hands(self, path: str) -> None:
        await self.send(handshake(path))
        while b"\r\n\r\n" not in self._come:
            self._come += await self.stream.receive_some()
        head, _, self._come = self._come.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def read(self) -> Frame | None:
        """The next frame; None: the server has ended the connection."""
        with trio.fail_after(PATIENCE):
            while (found := self._take()) is None:
                try:
                    data = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    return None
                if not data:
                    return None
                self._come += data
            return found

    async def end(self) -> tuple[int, str] | None:
        """The code and reason that the server closes with; None: it ended the connection without a close."""
        while (got := await self.read()) is not None:
            if got.opcode == CLOSE:
                return struct.unpack("!H", got.payload[:2])[0], got.payload[2:].decode()
        return None

    def _take(self) -> Frame | None:
        come = self._come
        if len(come) < 2:
            return None
        start, size = 2, come[1]
        if size == 126:
            start, size = 4, int.from_bytes(come[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(come[2:10], "big")
        if len(come) < start + size:
            return None
        self._come = come[start + size :]
        return Frame(come[0] & 15, come[start : start + size])


def handshake(path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()


@asynccontextmanager
async def open_rude(server: Served, path: str | None = None, *, room: int | None = None) -> AsyncIterator[Rude]:
    """A connection, with a WebSocket opened if a path is given; ``room``: bytes that may wait to be read."""
    raw = trio.socket.socket()
    if room is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    await raw.connect(("127.0.0.1", server.port))
    client = Rude(trio.SocketStream(raw))
    try:
        if path is not None:
            with trio.fail_after(PATIENCE):
                await client.shake_hands(path)
        yield client
    finally:
        await trio.aclose_forcefully(client.stream)


# --- events that nobody means -----------------------------------------------------------------------------------

TYPES: Final = (
    *("session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"),
    *("output_audio_buffer.clear", "output_audio_buffer.played", "input_audio_buffer.stopped", "response.create"),
    *("conversation.item.create", "conversation.item.retrieve", "conversation.item.truncate", "response.cancel"),
    *("conversation.item.delete", "engine.speech_started", "engine.speech_stopped", "session.created", "error", ""),
)
NAMES: Final = (
    *("type", "event_id", "session", "response", "item", "item_id", "audio", "audio_ms", "audio_end_ms", "input"),
    *("content_index", "content", "output", "format", "voice", "tools", "turn_detection", "instructions", "role"),
    *("text", "call_id", "cleared_event_id", "previous_item_id", "metadata", "conversation", "id", "Type", "\u0000"),
)
WORDS: Final = (
    *("message", "user", "input_text", "function_call_output", "realtime", "server_vad", "none", "auto", "AAAA"),
    *("item_1", "call_1", "mcp", "https://evil.example", "\u00e9\U0001f980", "\ud83e", "a" * 300, ""),
)
NUMBERS: Final = (0, 1, -1, 24000, 2**31, 2**63, 2**64, -(2**63) - 1, 1e308, -0.0, 0.1, 10**400)


class Fuzz:
    """Events that nobody means; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def event(self) -> bytes:
        """One text; most are JSON, many are events, few make sense."""
        choose = self._random
        described = {"type": choose.choice(TYPES)} | {
            choose.choice(NAMES): self._value(3) for _ in range(choose.randrange(5))
        }
        text = json.dumps(described, ensure_ascii=choose.random() < 0.9)
        if choose.random() < 0.3:
            text = self._damaged(text)
        return text.encode(errors="replace")

    def _value(self, depth: int) -> Any:
        choose = self._random
        match choose.randrange(8 if depth else 5):
            case 0:
                return choose.choice(NUMBERS)
            case 1 | 2:
                return choose.choice(WORDS)
            case 3:
                return choose.choice([None, True, False])
            case 4:
                return choose.choice(TYPES)
            case 5:
                return [self._value(depth - 1) for _ in range(choose.randrange(4))]
            case _:
                return {choose.choice(NAMES): self._value(depth - 1) for _ in range(choose.randrange(4))}

    def _damaged(self, text: str) -> str:
        choose = self._random
        at = choose.randrange(len(text) + 1)
        match choose.randrange(4):
            case 0:
                return text[:at]
            case 1:
                return text[:at] + choose.choice('{}[]",:\\\u0000 0eE+-') + text[at:]
            case 2:
                return text[:at] + text[at + 1 :]
            case _:
                return text[:at] + text


EVENTS: Final = int(os.environ.get("ENGINE_FUZZED_EVENTS", "1000"))
"""How many such events a test sends; `make soak` sends 100 000."""

"""What the supervisor and its workers say to each other: lines of JSON over a pair of sockets.

Saying never blocks; what cannot be sent yet waits, bounded, for the one task that sends. Whoever does not read what it
is told, or is not understood, has its line cut.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec
import trio
from msgspec import Struct

from realtime_engine.metrics import Totals

MOST_WAITING: Final = 4 << 20
"""Bytes that may wait to be sent: far more than a worker has to say about all its sessions."""

LONGEST: Final = 1 << 20
"""Bytes of one message: the numbers of a process are a few thousand."""

_CHUNK: Final = 1 << 16


class Ready(Struct, frozen=True, tag="ready"):
    """A worker can be reached."""

    urls: tuple[str, ...]


class Take(Struct, frozen=True, tag="take"):
    """A worker asks for a place; `Taken` or `NoPlace` with this number follows."""

    number: int
    address: str


class Taken(Struct, frozen=True, tag="taken"):
    """The place is the worker's, until it frees it or ends."""

    number: int


class NoPlace(Struct, frozen=True, tag="no_place"):
    """There is none; see `transports.ws.slots.Full`."""

    number: int
    reason: str
    code: str
    retry_after_s: int


class Free(Struct, frozen=True, tag="free"):
    """A worker gives a place back."""

    address: str


class Gather(Struct, frozen=True, tag="gather"):
    """A worker asks for the numbers of all; `Gathered` with this number follows."""

    number: int


class Gathered(Struct, frozen=True, tag="gathered"):
    """The numbers of all workers together, those that have ended included."""

    number: int
    totals: Totals


class Count(Struct, frozen=True, tag="count"):
    """The supervisor asks for a worker's numbers; `Counted` with this number follows."""

    number: int


class Leave(Struct, frozen=True, tag="leave"):
    """A worker shall leave newcomers to the others, and end when its conversations have: it is started anew."""


class Counted(Struct, frozen=True, tag="counted"):
    """A worker's numbers; number 0: it was not asked."""

    number: int
    totals: Totals


ToSupervisor: TypeAlias = Ready | Take | Free | Gather | Counted
ToWorker: TypeAlias = Taken | NoPlace | Gathered | Count | Leave
Message: TypeAlias = ToSupervisor | ToWorker

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode


class Control:
    """One end of the line; `send` is to be run by a task of its own."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - its name in the library
        self._socket = trio.socket.from_stdlib_socket(connection)
        self._begun = b""  # of a message
        self._waiting = bytearray()
        self._news = trio.Event()
        self._sent = trio.Event()

    def say(self, message: Message) -> None:
        """Say something; to nobody, if the line is cut."""
        if len(self._waiting) > MOST_WAITING:
            self.cut()
        else:
            self._waiting += _encode(message) + b"\n"
            self._news.set()
            if self._sent.is_set():
                self._sent = trio.Event()

    async def send(self) -> None:
        """Send what is said, until the line is cut."""
        with suppress(OSError):
            while True:
                await self._news.wait()
                self._news = trio.Event()
                while self._waiting:
                    sent = await self._socket.send(bytes(self._waiting[:_CHUNK]))
                    del self._waiting[:sent]
                self._sent.set()

    async def flush(self) -> None:
        """Wait until all that was said is sent. The caller bounds the time."""
        await self._sent.wait()

    async def hear(self) -> Sequence[Message]:
        """What the other end says, at least one message; none when the line is cut, or the other end is gone."""
        heard: list[Message] = []
        try:
            while not heard:
                received = await self._socket.recv(_CHUNK)
                *lines, self._begun = (self._begun + received).split(b"\n")
                heard = [_decode(line) for line in lines]
                if not received or len(self._begun) > LONGEST:
                    break
        except (OSError, msgspec.DecodeError):
            pass
        if not heard:
            self.cut()
        return heard

    def cut(self) -> None:
        """Nothing is said or heard any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

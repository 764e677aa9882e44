"""A WebSocket after its handshake, in either role, as a `realtime_engine.link.CallingLink`.

What has come is taken apart in the network's one read buffer and given on in the same breath, from the network's own
task; what is written leaves with `flush`, or when all others have had their turn, and what that leaves over when the
socket has room again. So no task belongs to a connection, and nothing that is cancelled can tear a frame.

Source: RFC 6455.
"""

import hashlib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final, Protocol, TypeAlias

import outcome
import trio
from websockets.speedups import apply_mask

from realtime_engine.frames import (
    BINARY,
    CLOSE,
    MASKED,
    PING,
    PONG,
    TEXT,
    FrameReader,
    close_payload,
    header,
)
from realtime_engine.inputs import Batch, Kind, Message, Side
from realtime_engine.link import LARGEST, Take
from realtime_engine.readiness import READ, WRITE, Readiness
from realtime_engine.sweep import Sweep
from realtime_engine.wire import Wire

LOW_WATER: Final = 64 * 1024
"""Bytes that may wait to be sent without anybody being slowed down: about as much as a socket takes at once."""

_SMALL: Final = 64 * 1024
"""Bytes of an incomplete frame that are put in front of what is read next; more grow in a buffer of their own."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LOST: Final = (1006, "")
_TEXT_KIND: Final = Kind.TEXT  # looking up an enum's member is slow
_TOO_SLOW: Final = 1013
_BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


_Result: TypeAlias = "outcome.Value[bool] | outcome.Error | None"


class Shared(Protocol):
    """What all connections of a process share (`realtime_engine.network.Network`)."""

    sweep: Sweep
    readiness: Readiness
    buffer: bytearray
    view: memoryview

    def soon(self, call: Callable[[], None]) -> None:
        """Call this when others have had their turn."""

    def mask(self) -> bytes:
        """Four bytes that nobody can foretell."""


@dataclass(frozen=True)
class WireLimits:
    """What one connection may take.

    Attributes:
        max_message: Bytes of the largest message that is read.
        max_fragments: Fragments that a message may come in.
        write: Seconds in which a peer must read something of what is sent to it.
        ping_every: Seconds of silence after which it is asked whether it is still there.
        ping_wait: Seconds in which it must say so.
    """

    max_message: int = LARGEST
    max_fragments: int = 1024
    write: float = 10.0
    ping_every: float = 20.0
    ping_wait: float = 20.0


def accept_value(key: str) -> str:
    """The server's answer to a client's ``Sec-WebSocket-Key`` (section 4.2.2)."""
    return b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class WebSocket:
    """One end of a WebSocket.

    Attributes:
        wire: The connection; to close it ends everything at once.
        queued: Bytes that are written and not yet sent, but for those that leave when all others have had their turn.
        sent: Bytes that have left; below 0 until a server's answer to the handshake has.
        bytes_in, messages_in, messages_out: What has passed.
    """

    __slots__ = (
        *("_alive", "_asked", "_blocked", "_broken", "_close_sent", "_closing", "_eof", "_heard", "_late", "_limits"),
        *("_lost", "_masked", "_news", "_over", "_pong", "_queue", "_reader", "_reads", "_rest", "_result", "_shared"),
        *("_side", "_stuck", "_take", "_task", "_watched", "bytes_in", "messages_in", "messages_out"),
        *("queued", "sent", "wire"),
    )

    def __init__(
        self,
        wire: Wire,
        shared: Shared,
        side: Side,
        *,
        client: bool,
        limits: WireLimits,
        received: bytes = b"",
        answer: bytes = b"",
    ) -> None:
        self.wire = wire
        self.queued = self.sent = self.bytes_in = self.messages_in = self.messages_out = 0
        self._shared = shared
        self._side = side
        self._masked = MASKED if client else 0
        self._limits = limits
        self._reader = FrameReader(
            side, masked=not client, max_message=limits.max_message, max_fragments=limits.max_fragments
        )
        self._take: Take | None = None
        self._task: trio.lowlevel.Task | None = None  # that listens
        self._result: _Result = None  # of a listening that needed no sleep
        self._reads = False  # what comes is wanted: by somebody who listens, or to see the end
        self._over = False  # the peer says nothing any more …
        self._eof = False  # … and not one byte comes any more
        self._lost = _LOST  # how it ended without a close
        self._queue: list[bytes] = []
        self._late = 0  # bytes of the queue that leave when all others have had their turn
        self._rest: bytes | memoryview = b""  # of what was being sent when the socket had no room
        self._pong: bytes | None = None  # one that waits for room
        self._blocked = 0  # what a send waits for: `WRITE`, with TLS perhaps `READ`
        self._broken = False  # nothing can be sent any more
        self._close_sent = self._closing = False
        self._watched: int | None = None  # the bits
        self._news: trio.Event | None = None
        self._heard = -1  # bytes that had come; nobody has looked yet …
        self._alive = -inf  # … by then
        self._asked = False  # whether it is still there
        self._stuck: tuple[float, int] | None = None  # since when nothing has left, and what had
        wire.closing = self._let_go
        shared.sweep.add(self._check)
        if received:
            self.bytes_in = len(received)
            self._reader.kept += received
            self._reader.more = True
        if answer:
            self._queue.append(answer)
            self.queued, self.sent = len(answer), -len(answer)  # which does not count
            self.flush()

    @property
    def bytes_out(self) -> int:
        """Bytes that have left, without a server's answer to the handshake."""
        return max(self.sent, 0)

    @property
    def largest(self) -> int:
        """Bytes of the largest message that is read."""
        return self._limits.max_message

    @property
    def closed(self) -> tuple[int, str]:
        """The peer's close; ``(1006, …)`` if it was lost without one."""
        return self._reader.closed or self._lost

    # --- reading ----------------------------------------------------------------------------------------------

    async def read(self) -> Sequence[Message]:
        """What has come; empty when the peer has ended the connection.

        Raises:
            RemoteProtocolError: The peer broke the protocol.
        """
        got: list[Message] = []

        def take(batch: Sequence[Message]) -> bool:
            got.extend(batch)
            return False

        await self.listen(take)
        return got

    async def listen(self, take: Take) -> bool:
        """Have ``take`` called with each batch that comes, until it wants no more or the peer has ended the connection.

        It is called from the network's task, in this task's context; what it raises is raised here.

        Returns:
            Whether there may be more to come.

        Raises:
            RemoteProtocolError: The peer broke the protocol.
        """
        if self._reader.failed is not None or self._over:
            await trio.lowlevel.checkpoint()
            self._raise_failure()
            return False
        result = self._begin_listening(take)
        if result is not None:
            await trio.lowlevel.checkpoint()
            return result.unwrap()
        self._task = trio.lowlevel.current_task()
        self._take = partial(self._task.context.run, take)  # type: ignore[call-arg]  # the batch is yet to come
        self._watch()
        if self._reader.more:
            self._shared.soon(self._go_on)
        more: bool = await trio.lowlevel.wait_task_rescheduled(self._stop_listening)
        return more

    def stop_listening(self) -> None:
        """End `listen`, if somebody is in it: there may be more to come."""
        self._wake(outcome.Value(value=True))

    def _begin_listening(self, take: Take) -> _Result:
        """Take what has come already; the result, if that is enough."""
        self._take, self._result = take, None
        if self._reader.more:
            self._take_in()
        return self._result

    def _stop_listening(self, _: object) -> trio.lowlevel.Abort:
        self._take = self._task = None
        self._watch()
        return trio.lowlevel.Abort.SUCCEEDED

    def _raise_failure(self) -> None:
        if self._reader.failed is not None:
            raise self._reader.failed

    def _ready(self, bits: int) -> None:
        """The socket can be read or written, or is broken. Whatever goes wrong here is this connection's own affair."""
        try:
            if bits == READ and self._reads and not self._blocked:  # nearly always
                self._take_in()
            else:
                self._see_to(bits)
        except Exception as error:  # noqa: BLE001 - nobody foresaw it, and all others depend on this task
            self._break_off(error)

    def _see_to(self, bits: int) -> None:
        broken = bits & ~(READ | WRITE)
        if self._blocked and (bits & self._blocked or broken):
            self._send()
        if self._reads and bits & ~WRITE:
            self._take_in()
        elif broken and not self._blocked:
            self._unwatch()  # or it would be told again and again
        elif bits & READ and not self._reads and not self._blocked & READ:
            self._stop_reading()

    def _go_on(self) -> None:
        """Take apart what was left over, if it is still wanted."""
        if self._reader.more and self._reads:
            self._ready(READ)

    def _take_in(self) -> None:
        """Read what there is, and give it on."""
        reader, shared = self._reader, self._shared
        try:
            if reader.kept or self._over:
                count, messages = self._receive()
            else:  # nearly always
                count = self.wire.stream.recv_into(shared.view)
                self.bytes_in += count
                messages = reader.read(shared.view[:count])
        except _BLOCKED:
            return
        except OSError:
            count, messages = 0, []
        if not count:
            self._end(_LOST)
            return
        if messages:
            self._give(messages)
        if reader.pings:
            self._answer_pings()
        if reader.closed is not None or reader.failed is not None:
            self._hear_the_end()
        elif reader.more and self._reads:
            self._shared.soon(self._go_on)

    def _receive(self) -> tuple[int, Sequence[Message]]:
        """Read from the socket, and take apart what has come, or what was left over; ``(0, [])`` at the end."""
        reader, shared = self._reader, self._shared
        kept = len(reader.kept)
        if reader.more:
            return kept, reader.extend(b"")
        if kept > _SMALL or self._over:
            count = self._read_into(0)
            return count, [] if self._over else reader.extend(shared.view[:count])
        shared.buffer[:kept] = reader.kept
        count = self._read_into(kept)
        return count, reader.read(shared.view[: kept + count])

    def _read_into(self, start: int) -> int:
        """Read into the shared buffer from here on; there is always room for much."""
        count = self.wire.stream.recv_into(self._shared.view[start:])
        self.bytes_in += count
        return count

    def _give(self, messages: Sequence[Message]) -> None:
        """Give a batch to whoever listens; nobody listens to the end."""
        self.messages_in += len(messages)
        if self._take is None:
            return
        try:
            more = self._take(messages)
        except BaseException as error:  # noqa: BLE001 - it belongs to the task that listens
            self._wake(outcome.Error(error))
        else:
            if not more:
                self._wake(outcome.Value(value=True))

    def _wake(self, result: outcome.Value[bool] | outcome.Error) -> None:
        """Whoever listens hears this, and listens no more."""
        task, self._task, self._take = self._task, None, None
        self._watch()
        if task is not None:
            trio.lowlevel.reschedule(task, result)
        elif self._result is None:
            self._result = result

    def _hear_the_end(self) -> None:
        """The peer has closed, or broken the protocol."""
        self._over = True
        reader = self._reader
        if reader.failed is not None:
            self._wake(outcome.Error(reader.failed))
        if reader.closed is not None:
            self._say_close(reader.closed.code, "")
            self._wake(outcome.Value(value=False))
        self._tell()

    def _end(self, lost: tuple[int, str]) -> None:
        """Nothing comes any more."""
        if not self._over:
            self._lost = lost
        self._over = self._eof = True
        self._wake(outcome.Value(value=False))
        self._tell()

    def _answer_pings(self) -> None:
        """At once where there is room; otherwise the newest, when there is."""
        pings, self._reader.pings = self._reader.pings, []
        if self.queued:
            self._pong = pings[-1]
            return
        for ping in pings:
            self._queue_frame(PONG, ping)
        self.flush()

    # --- writing ----------------------------------------------------------------------------------------------

    def write(self, raw: bytes, kind: Kind) -> None:
        """Queue one message; nothing is said after a close."""
        self.messages_out += 1
        self._queue_frame(TEXT if kind is _TEXT_KIND else BINARY, raw)

    def write_all(self, batch: Sequence[Message]) -> None:
        """Queue messages as they came; what came in frames that can go on as they are is sent at once."""
        framed = batch.framed if isinstance(batch, Batch) and not self._masked else b""
        if framed:
            self._send_framed(framed, len(batch))
        else:
            for message in batch:
                self.write(message.raw, message.kind)

    def _send_framed(self, framed: memoryview | bytes, count: int) -> None:
        """Send frames out of the network's buffer, which is used again: what cannot be sent now is copied."""
        self.messages_out += count
        if self._close_sent or self._broken:
            return
        others, self.queued = self.queued, self.queued + len(framed)
        if others or self._late or self._blocked or self._shared.readiness.later is not None:
            self._queue.append(bytes(framed))
            return
        self._rest = framed
        self._send()
        if self._rest:
            self._rest = bytes(self._rest)

    def _queue_frame(self, opcode: int, payload: bytes) -> None:
        if self._close_sent or self._broken:
            return
        size, masked = len(payload), self._masked
        head = header(opcode, size, masked)
        if masked:
            key = self._shared.mask()
            self._queue += (head, key, apply_mask(payload, key))
            size += 4
        else:
            self._queue += (head, payload)
        self.queued += len(head) + size

    def flush(self) -> None:
        """Send as much of the queue as can be sent without blocking, now or when all others have had their turn."""
        if not self._queue or self._blocked:
            return
        later = self._shared.readiness.later
        if later is None:
            self._send()
        else:
            if not self._late:
                later(self._send_late)
            self._late, self.queued = self._late + self.queued, 0

    def _send_late(self) -> None:
        """Whatever goes wrong here is this connection's own affair, as in `_ready`."""
        try:
            if self._late:
                self._send()
        except Exception as error:  # noqa: BLE001 - nobody foresaw it, and all others depend on this task
            self._break_off(error)

    def _send(self) -> None:
        """Send until the socket has no more room."""
        self.queued, self._late = self.queued + self._late, 0
        blocked = 0
        try:
            while True:
                data = self._rest
                if not data:
                    self._rest = data = b"".join(self._queue)
                    self._queue.clear()
                count = self.wire.stream.send(data)
                self.sent += count
                self.queued -= count
                self._rest = memoryview(data)[count:] if count < len(data) else b""
                if not self.queued and ((pong := self._pong) is None or not self._send_pong(pong)):
                    break
        except (BlockingIOError, ssl.SSLWantWriteError):
            blocked = WRITE
        except ssl.SSLWantReadError:
            blocked = READ
        except OSError:
            self._drop_queue()
        if blocked != self._blocked:
            self._blocked = blocked
            self._watch()
        if self._news is not None and self.queued <= LOW_WATER:
            self._tell()

    def _send_pong(self, pong: bytes) -> bool:
        """Queue the pong that has waited for room; whether it can be sent now."""
        self._pong = None
        self._queue_frame(PONG, pong)
        return bool(self.queued)

    def _drop_queue(self) -> None:
        """Nothing can be sent any more."""
        self._queue.clear()
        self._rest, self._pong = b"", None
        self.queued = self._late = 0
        self._broken = True

    async def drain(self) -> None:
        """Wait until no more is queued than the peer can be expected to read at once."""
        await trio.lowlevel.checkpoint()
        await self._until(lambda: self.queued + self._late <= LOW_WATER)

    # --- the end ----------------------------------------------------------------------------------------------

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued and a close, wait for the peer's, and end the connection.

        A peer that broke the protocol is told so, whatever the code. What it still sends is read and thrown away.
        """
        await trio.lowlevel.checkpoint()
        failed = self._reader.failed
        if failed is None:
            self._say_close(code, reason)
        else:
            self._say_close(failed.close_code, str(failed))
        self._closing = True
        self._watch()
        if self._reader.more:
            self._shared.soon(self._go_on)
        await self._until(lambda: not (self.queued or self._late))
        await self._until(lambda: self._over)
        if self._reader.failed is not None and not self._eof:
            self._finish()
        if self._masked or self._reader.failed is not None:
            await self._until(lambda: self._eof)  # the server ends the connection first (section 7.1.1)
        self.wire.close()

    def _say_close(self, code: int, reason: str) -> None:
        self._queue_frame(CLOSE, close_payload(code, reason))
        self._close_sent = True
        self.flush()

    def _finish(self) -> None:
        """Send the end of the stream: to close with unread bytes would reset it, and the close might not arrive."""
        with suppress(OSError):
            self.wire.sock.shutdown(socket.SHUT_WR)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            if self._news is None:
                self._news = trio.Event()
            await self._news.wait()

    def _tell(self) -> None:
        """Wake whoever waits for a change."""
        if self._news is not None:
            self._news.set()
            self._news = None

    def _let_go(self) -> None:
        """The socket is about to be closed."""
        self._shared.sweep.discard(self._check)
        self._send_late()
        self._drop_queue()
        self._end(_LOST)
        self._unwatch()

    # --- what the connection waits for ------------------------------------------------------------------------

    def _watch(self) -> None:
        """Have the network watch the socket for what is wanted now; reading is given up only when something comes."""
        self._reads = (self._take is not None and not self._over) or (self._closing and not self._eof)
        bits = self._blocked | (READ if self._reads else (self._watched or 0) & READ)
        if bits != (self._watched or 0):
            self._shared.readiness.watch(self.wire.sock, bits, self._ready)
            self._watched = bits

    def _stop_reading(self) -> None:
        """Something has come that nobody wants yet."""
        self._watched = self._blocked & ~READ
        self._shared.readiness.watch(self.wire.sock, self._watched, self._ready)

    def _unwatch(self) -> None:
        self._blocked = 0  # nothing is waited for any more
        if self._watched is not None:
            self._shared.readiness.forget(self.wire.sock)
            self._watched = None

    def _check(self, now: float) -> None:
        """Look at the deadlines."""
        if not self.queued:
            self._stuck = None
        elif self._stuck is None or self._stuck[1] != self.sent:
            self._stuck = (now, self.sent)
        elif now - self._stuck[0] >= self._limits.write:
            self._give_up(_TOO_SLOW, f"too slow: nothing was read for {self._limits.write:g} s")
            return
        if self.bytes_in != self._heard or not self._reads:
            self._heard, self._alive, self._asked = self.bytes_in, now, False
        elif self._asked and now - self._alive >= self._limits.ping_every + self._limits.ping_wait:
            self._give_up(_LOST[0], f"no answer to a ping for {self._limits.ping_wait:g} s")
        elif not self._asked and now - self._alive >= self._limits.ping_every:
            self._asked = True
            self._queue_frame(PING, b"")
            self.flush()

    def _break_off(self, error: Exception) -> None:
        """End the connection for a mistake of our own; whoever listens hears of it."""
        self._drop_queue()
        self._wake(outcome.Error(error))
        self._end((_LOST[0], f"{self._side.value}: a bug: {type(error).__name__}"))
        self._unwatch()

    def _give_up(self, code: int, reason: str) -> None:
        self._drop_queue()
        self._end((code, f"{self._side.value}: {reason}"))
        self._unwatch()

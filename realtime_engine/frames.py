"""WebSocket frames, read and written without I/O: bytes in, messages out, and the other way round.

Everything a peer can get wrong is found here, and as early as it can be seen: a bad header before its payload has
come, text that is no UTF-8 before its frame has ended, a message that is too large before it is there.

Source: RFC 6455, sections 5 (frames), 7.4 (close codes) and 8.1 (UTF-8).
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from struct import Struct
from typing import Final, NamedTuple

from websockets.speedups import apply_mask

from realtime_engine.errors import RemoteProtocolError
from realtime_engine.inputs import Batch, Kind, Message, Side

PROTOCOL_ERROR: Final = 1002
BAD_TEXT: Final = 1007
TOO_BIG: Final = 1009
NO_CODE: Final = 1005
"""What a close without a code stands for; it is never sent."""

MOST_REASON: Final = 123
"""Bytes of a close's reason: a control frame holds 125, and the code takes two."""

MOST_FRAMES: Final = 256
"""Frames that are taken apart in one go, so that many small ones keep nobody else waiting."""

MOST_PINGS: Final = 16
"""Pings of one go that are answered, the newest; more are a flood (RFC 6455, section 5.5.3 asks for the last only)."""

FIN: Final = 0x80
MASKED: Final = 0x80
RESERVED: Final = 0x70
CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_WHOLE_TEXT: Final = FIN | TEXT
_WHOLE: Final = {FIN | TEXT: Kind.TEXT, FIN | BINARY: Kind.BINARY}
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_MOST_CONTROL: Final = 125  # bytes in a control frame (section 5.5)
_pack_short: Final = Struct(">BBH").pack
_pack_long: Final = Struct(">BBQ").pack
_new_decoder: Final = getincrementaldecoder("utf-8")


class PeerClose(NamedTuple):
    """The close that a peer has sent; 1005 where it gave no code."""

    code: int
    reason: str


class FrameReader:
    """Takes apart what one peer sends.

    Attributes:
        kept: The beginning of a frame whose end has not come: it belongs in front of what comes next.
        more: Whether `kept` holds whole frames too, because there were more than `MOST_FRAMES`.
        pings: What the peer's unanswered pings said.
        closed: The peer's close; nothing that comes after it is looked at.
        failed: How the peer broke the protocol; what it sent before that is given, and nothing after it.
    """

    __slots__ = (
        *("_checked", "_decoder", "_fragments", "_framed", "_masked", "_max_fragments", "_max_message", "_opcode"),
        *("_side", "_size", "closed", "failed", "kept", "more", "pings"),
    )

    def __init__(self, side: Side, *, masked: bool, max_message: int, max_fragments: int) -> None:
        self.kept = bytearray()
        self.more = False
        self.pings: list[bytes] = []
        self.closed: PeerClose | None = None
        self.failed: RemoteProtocolError | None = None
        self._side = side
        self._masked = MASKED if masked else 0  # what a client sends is masked, what a server sends is not
        self._max_message = max_message
        self._max_fragments = max_fragments
        self._framed = 0  # bytes of what was read last that are whole text frames without a mask, and nothing else
        self._opcode = 0  # of the message whose fragments are coming; 0: none is
        self._fragments: list[bytes] = []
        self._size = 0  # of all fragments
        self._checked = 0  # bytes of an incomplete frame's text that have been looked at
        self._decoder: IncrementalDecoder | None = None  # of a text that ends within a character

    def read(self, data: memoryview) -> Batch:
        """Take apart ``data``, which begins with what was `kept`; give the messages that are whole.

        Of what is given only the bytes they came in are part of ``data``.
        """
        messages = Batch()
        at = self._take_apart(data, messages)
        messages.framed = data[: self._framed] if self._framed else b""
        if at < len(data) or self.kept:
            self.kept = bytearray(data[at:])
        return messages

    def extend(self, data: bytes | memoryview) -> Batch:
        """Put ``data`` behind what was `kept`, and give the whole messages: for large frames, and for `more`."""
        self.kept += data
        messages = Batch()
        messages.framed = b""
        with memoryview(self.kept) as whole:
            at = self._take_apart(whole, messages)
        del self.kept[:at]
        return messages

    def _take_apart(self, data: memoryview, messages: list[Message]) -> int:
        """Add the whole messages to the list; where the first frame begins that is left."""
        self.more = False
        self._framed = 0
        if self.failed is not None:
            return len(data)
        try:
            return self._take_frames(data, messages, len(data))
        except RemoteProtocolError as error:
            self.failed = error.with_traceback(None)  # this and the next would hold on to ``data``
            error.__context__ = None
            return len(data)

    def _take_frames(self, data: memoryview, messages: list[Message], end: int) -> int:  # noqa: C901 - the data path
        side, masked, whole = self._side, self._masked, _WHOLE
        plain = not masked
        at = frames = 0
        while end - at >= 2 and self.closed is None:
            if frames == MOST_FRAMES:
                self.more = True
                break
            first, second = data[at], data[at + 1]
            size, body, kind = second & 0x7F, at + 2, whole.get(first)
            if kind is None or second & MASKED != masked or self._opcode:
                self._check_head(first, second)
            if size > _MOST_CONTROL:
                body += 2 if size == 126 else 8
                if body > end:
                    break
                if size == 126:
                    size = data[at + 2] << 8 | data[at + 3]
                    fewest = 126
                else:
                    size = int.from_bytes(data[at + 2 : body], "big")
                    fewest = 1 << 16
                if size < fewest or size >> 63:
                    raise self._error("a length of 64 bits, or in more bytes than it needs")
            if size + self._size > self._max_message and not first & CLOSE:
                raise self._error(f"a message of more than {self._max_message} bytes", TOO_BIG)
            key = None
            if masked:
                key, body = data[body : body + 4].tobytes(), body + 4
            stop = body + size
            if stop > end:
                if body < end and (first & 0xF or self._opcode) == TEXT:
                    self._look_ahead(data[body + self._checked : end].tobytes(), key)
                break
            payload = data[body:stop].tobytes() if key is None else apply_mask(data[body:stop], key)
            if kind is not None:
                if first != _WHOLE_TEXT:
                    plain = False
                elif self._checked or not payload.isascii():
                    self._check_text(payload, last=True)
                messages.append(Message(side, kind, payload))
            else:
                plain = False
                if first & CLOSE:
                    self._take_control(first & 0xF, payload)
                else:
                    self._take_fragment(first, payload, messages)
            at = stop
            frames += 1
        if self.closed is not None:
            return end
        if plain:
            self._framed = at
        return at

    def _check_head(self, first: int, second: int) -> None:
        """All that the first two bytes of a frame can have wrong."""
        opcode = first & 0xF
        if first & RESERVED:
            raise self._error("a frame with a reserved bit, though no extension was agreed on")
        if opcode not in _OPCODES:
            raise self._error(f"a frame of the unknown kind {opcode:#x}")
        if second & MASKED != self._masked:
            raise self._error("a frame without a mask" if self._masked else "a masked frame from a server")
        if opcode & CLOSE:
            if not first & FIN:
                raise self._error("a control frame in fragments")
            if second & 0x7F > _MOST_CONTROL:
                raise self._error("a control frame of more than 125 bytes")
        elif opcode == CONTINUATION and not self._opcode:
            raise self._error("a continuation of nothing")
        elif opcode != CONTINUATION and self._opcode:
            raise self._error("a new message before the last was complete")

    def _look_ahead(self, fresh: bytes, key: bytes | None) -> None:
        """Look at the text of a frame that is not whole yet: what is wrong shall not wait for its end."""
        turn = self._checked % 4
        self._checked += len(fresh)
        self._decode(fresh if key is None else apply_mask(fresh, key[turn:] + key[:turn]), last=False)

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.pings.append(payload)
            if len(self.pings) > MOST_PINGS:
                del self.pings[0]
        elif opcode == CLOSE:
            self.closed = self._read_close(payload)

    def _take_fragment(self, first: int, payload: bytes, messages: list[Message]) -> None:
        last = bool(first & FIN)
        self._opcode = self._opcode or first & 0xF
        if self._opcode == TEXT:
            self._check_text(payload, last=last)
        self._fragments.append(payload)
        self._size += len(payload)
        if last:
            kind = Kind.TEXT if self._opcode == TEXT else Kind.BINARY
            messages.append(Message(self._side, kind, b"".join(self._fragments)))
            self._opcode, self._fragments, self._size = 0, [], 0
        elif len(self._fragments) >= self._max_fragments:
            raise self._error(f"a message of more than {self._max_fragments} fragments", TOO_BIG)

    def _check_text(self, payload: bytes, *, last: bool) -> None:
        """Look at what has not been looked at of a frame's text."""
        self._decode(payload[self._checked :], last=last)
        self._checked = 0

    def _decode(self, piece: bytes, *, last: bool) -> None:
        """Go on reading a text, which may be cut anywhere."""
        if self._decoder is None:
            if piece.isascii():
                return
            self._decoder = _new_decoder()
        try:
            self._decoder.decode(piece, last)
        except UnicodeDecodeError as error:
            raise self._error(f"a text that is not UTF-8: {error.reason}", BAD_TEXT) from None
        if last:
            self._decoder = None

    def _read_close(self, payload: bytes) -> PeerClose:
        if not payload:
            return PeerClose(NO_CODE, "")
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not may_be_sent(code):
            raise self._error(f"a close with the code {code}" if len(payload) > 1 else "a close with half a code")
        try:
            return PeerClose(code, payload[2:].decode())
        except UnicodeDecodeError as error:
            raise self._error(f"a close with a reason that is not UTF-8: {error.reason}", BAD_TEXT) from None

    def _error(self, message: str, code: int = PROTOCOL_ERROR) -> RemoteProtocolError:
        return RemoteProtocolError(message, side=self._side, close_code=code)


def may_be_sent(code: int) -> bool:
    """Whether a close code may stand in a close frame (section 7.4, and the IANA registry up to 1014)."""
    return (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) or 3000 <= code <= 4999


def header(opcode: int, size: int, masked: int) -> bytes:
    """The head of a frame that is a whole message. ``masked``: `MASKED`, and then a key goes behind it; or 0."""
    if size < 126:
        return bytes((FIN | opcode, masked | size))
    if size < 1 << 16:
        return _pack_short(FIN | opcode, masked | 126, size)
    return _pack_long(FIN | opcode, masked | 127, size)


def close_payload(code: int, reason: str) -> bytes:
    """What a close frame holds: the reason is cut to what there is room for, between two characters."""
    if not may_be_sent(code):
        return b""
    text = reason.encode(errors="replace")[:MOST_REASON].decode(errors="ignore")
    return code.to_bytes(2, "big") + text.encode()

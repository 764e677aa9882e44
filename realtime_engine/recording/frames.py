"""A frame's text with its audio taken out, and put back byte for byte. No file is opened here.

Audio is taken out only where putting it back gives the very same text: canonical base64 (RFC 4648, section 4), without
JSON escapes, in the one place where a flat event of its type has it. Everywhere else it stays where it is.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.events import peek_type
from realtime_engine.inputs import Kind, Side
from realtime_engine.recording.redact import redact


class Stored(NamedTuple):
    """Bytes of an audio file, counted from its first sample."""

    file: str
    start: int
    stop: int


class Place(Struct, frozen=True, rename={"start": "from", "stop": "to"}):
    """Where audio stood in a frame, and which bytes of which file it is.

    ``at`` counts the bytes of the frame that come before it.
    """

    at: int
    file: str
    start: int
    stop: int


class Base64(Struct, frozen=True):
    """Bytes that are no text."""

    base64: str


class FrameFields(Struct, frozen=True, kw_only=True):
    """The fields of a line that hold a frame: exactly one of ``event``, ``raw`` and ``binary``.

    Attributes:
        event: The frame's own text, one line of JSON, without its audio.
        raw: A text frame that is not one line of JSON.
        binary: A binary frame in base64, without its audio.
        audio: Where the audio goes.
        redacted: Secrets of the frame were replaced.
    """

    event: Raw | UnsetType = UNSET
    raw: str | Base64 | UnsetType = UNSET
    binary: str | UnsetType = UNSET
    audio: Place | UnsetType = UNSET
    redacted: bool | UnsetType = UNSET


class _Piece(Struct, forbid_unknown_fields=True, gc=False):
    """A piece of speech or text, with no more than what the protocol lists and servers are known to add."""

    type: str
    event_id: str = ""
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    delta: str = ""
    audio: str = ""
    obfuscation: str = ""


Keep: TypeAlias = Callable[[bytes], Stored | None]
"""Puts audio away and says where it is; None: it cannot be had from a file and stays in the frame."""

Fetch: TypeAlias = Callable[[Place], bytes]
"""Gives audio that was put away. Raises ValueError if it is not there."""


class _Speech:
    """How the audio of a side comes: in which events, and under which key."""

    def __init__(self, *names: str, key: str) -> None:
        self.names = names
        self.quoted = b'"%b"' % key.encode()
        self.before = b'"%b":"' % key.encode()
        self.key = re.compile(rb'"%b"\s*:\s*"' % key.encode())


_FRONT_SPEECH: Final = _Speech("input_audio_buffer.append", key="audio")
_UPSTREAM_SPEECH: Final = _Speech("response.output_audio.delta", "response.audio.delta", key="delta")
_DELTAS: Final = (b'{"type":"response.output_audio_transcript.delta"', b'{"type":"response.output_text.delta"')
_BACKSLASH, _LF, _CR, _HYPHEN = b"\\\n\r-"  # a byte is found in a fifth of the time that a text of one byte takes
_FRONT, _TEXT = Side.FRONT, Kind.TEXT  # looking up an enum's member is slow
_DEEPEST: Final = 200  # levels of nesting; Python 3.11 reads no more than some 900, less what its stack holds already
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"|([\[{])|[\]}]')
_decode_fields = msgspec.json.Decoder(FrameFields).decode
_decode_piece = msgspec.json.Decoder(_Piece).decode
_encode = msgspec.json.Encoder().encode


def frame_fields(raw: bytes, kind: Kind, speaker: Side, keep: Keep) -> bytes:
    """The fields for a frame, as JSON without braces.

    ``speaker`` is the side whose speech the frame may carry. ``keep`` is called with the audio if it carries any,
    also if the audio must stay in the frame as well.
    """
    if kind is not _TEXT:
        stored = keep(raw) if raw else None
        text = b"" if stored else encode_base64(raw)
        return b'"binary":"%b"%b' % (text, _audio_field(0, stored))
    where, plain = _look(raw, speaker)
    stored = None if where is None else _put_away(raw[where], keep)
    if where is None or stored is None:
        text, at, plain = raw, 0, plain and where is None
    else:
        text, at = raw[: where.start] + raw[where.stop :], where.start
    if plain:
        return b'"event":' + text + _audio_field(at, stored)
    safe = redact(text)
    if safe is not text and stored is not None:
        safe, stored = redact(raw), None
    fields = _text_field(safe) + _audio_field(at, stored)
    return fields if safe is text else fields + b',"redacted":true'


def restore(fields: FrameFields, fetch: Fetch) -> tuple[bytes, Kind]:
    """The frame, byte for byte as it was, but for its secrets.

    Raises:
        ValueError: The fields hold no frame, or its audio is not there.
    """
    if not isinstance(fields.binary, UnsetType):
        audio = decode_base64(fields.binary) if isinstance(fields.audio, UnsetType) else fetch(fields.audio)
        return audio, Kind.BINARY
    text = _text(fields)
    if isinstance(fields.audio, UnsetType):
        return text, Kind.TEXT
    at = fields.audio.at
    return text[:at] + encode_base64(fetch(fields.audio)) + text[at:], Kind.TEXT


def find_audio(raw: bytes, speaker: Side) -> slice | None:
    """Where the base64 text of an audio event stands; None: it is not one, or not a plain one."""
    return _look(raw, speaker)[0]


def _look(raw: bytes, speaker: Side) -> tuple[slice | None, bool]:
    """Where that text stands; and whether the rest is plain, by a look that is quick and may miss some.

    Plain is one line of JSON without secrets. As every known peer writes it, the audio is at the end.
    """
    if raw.startswith(_DELTAS):
        return None, bool(_plain_type(raw))
    speech = _FRONT_SPEECH if speaker is _FRONT else _UPSTREAM_SPEECH
    start, end = raw.find(speech.before) + len(speech.before), len(raw) - 2
    if start > len(speech.before) and raw.find(b'"', start) == end:
        head = raw[:start]
        if head.count(speech.quoted) == 1 and _plain_type(head + raw[end:]) in speech.names:
            return slice(start, end), True
    return _find_audio(raw, speech), False


def _find_audio(raw: bytes, speech: _Speech) -> slice | None:
    """The same, wherever it stands."""
    try:
        if peek_type(raw) not in speech.names:
            return None
    except (ValueError, RecursionError):
        return None
    found = speech.key.search(raw)
    end = raw.find(b'"', found.end()) if found else -1
    if found is None or end < 0 or speech.key.search(raw, end):
        return None
    start = found.end()
    flat = raw.count(b"{", 0, start) + raw.count(b"{", end) == 1  # base64 has none
    return slice(start, end) if flat else None


def _put_away(text: bytes, keep: Keep) -> Stored | None:
    """Where the audio of this base64 text is now; None if the text must stay."""
    try:
        audio = decode_base64(text)
    except ValueError:
        return None
    stored = keep(audio) if audio else None
    if text.endswith(b"=") and encode_base64(audio[-(len(audio) % 3) :]) != text[-4:]:  # the rest has one form only
        return None
    return stored


def _plain_type(text: bytes) -> str:
    """The type of a piece that is one line of JSON without secrets, by a quick look that may miss some; or ``""``."""
    if _BACKSLASH in text or _LF in text or _CR in text or not text.endswith(b"}"):
        return ""
    if b"ek_" in text or (_HYPHEN in text and b"sk-" in text):
        return ""
    try:
        return _decode_piece(text).type
    except (ValueError, RecursionError):
        return ""


def _text(fields: FrameFields) -> bytes:
    match fields:
        case FrameFields(event=Raw() as event):
            return bytes(event)
        case FrameFields(raw=str(text)):
            return text.encode()
        case FrameFields(raw=Base64(base64=encoded)):
            return decode_base64(encoded)
        case _:
            raise ValueError("it holds neither a frame nor anything else that is known")


def _text_field(text: bytes) -> bytes:
    if _is_one_line_of_json(text):
        return b'"event":' + text
    try:
        return b'"raw":' + _encode(text.decode())
    except UnicodeDecodeError:
        return b'"raw":' + _encode(Base64(encode_base64(text).decode()))


def _is_one_line_of_json(text: bytes) -> bool:
    """Whether a reader will get the very same text back."""
    if b"\n" in text or b"\r" in text or not (text.isascii() or _is_utf8(text)):
        return False
    if len(text) > _DEEPEST and text.count(b"[") + text.count(b"{") > _DEEPEST and _is_deep(text):
        return False
    try:
        event = _decode_fields(b'{"event":' + text + b"}").event
    except msgspec.DecodeError:
        return False
    return isinstance(event, Raw) and bytes(event) == text


def _is_deep(text: bytes) -> bool:
    """Whether JSON is nested more deeply than any reader can be trusted with."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if not token[0].startswith(b'"'):
            depth += 1 if token[1] else -1
        if depth > _DEEPEST:
            return True
    return False


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _audio_field(at: int, stored: Stored | None) -> bytes:
    if stored is None:
        return b""
    file, start, stop = stored
    return b',"audio":{"at":%d,"file":"%b","from":%d,"to":%d}' % (at, file.encode(), start, stop)

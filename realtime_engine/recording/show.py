"""Inputs, commands and differences as a person would want them: one line each, without the bytes of audio."""

from collections.abc import Iterator
from typing import Final

import msgspec

from realtime_engine.audio import decode_base64
from realtime_engine.commands import CancelTool, Command, Connect, Forward, Note, RunTool, Send
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, ToolResult
from realtime_engine.objects import Json
from realtime_engine.recording.frames import find_audio
from realtime_engine.recording.lines import Came, Done
from realtime_engine.recording.replay import Difference

_LONGEST_TEXT: Final = 60  # characters of one value that are shown
_LONGEST_LINE: Final = 140  # characters of a frame that are shown


def entry(came: Came | Done) -> str:
    """One line of a time line: when, who, what."""
    if isinstance(came, Came):
        who, what = _input(came.input)
        return f"{came.at:12.6f}  {who:8} →           {what}".rstrip()
    who, what = _command(came.command)
    return f"{came.at:12.6f}           → {who:8}  {what}".rstrip()


def explain(difference: Difference) -> Iterator[str]:
    """The first difference, in lines: where, what was expected, what came, and the events around it."""
    place = f"after input {difference.n}" if difference.n else "before the first input"
    yield f"the first difference is at {difference.at:.6f} s, {place}:"
    yield f"  expected {_side_of(difference.expected)}"
    yield f"  got      {_side_of(difference.got)}"
    if difference.expected is not None and difference.got is not None:
        for line in _what_differs(difference.expected, difference.got):
            yield f"  {line}"
    yield "around it, in the recording:"
    for came in difference.before:
        yield f"  {entry(came)}"
    yield f"> {entry(difference.expected)}" if difference.expected else f"> {'':12}  (here)"
    for came in difference.after:
        yield f"  {entry(came)}"


def frame(raw: bytes, kind: Kind, speaker: Side) -> str:
    """A frame in one line: its type, then the rest, shortened. ``speaker`` is whose audio it may carry."""
    if kind is Kind.BINARY:
        return f"binary, {len(raw)} bytes"
    where = find_audio(raw, speaker)
    if where is not None:
        raw = raw[: where.start] + b"%d bytes of audio" % _decoded(raw[where]) + raw[where.stop :]
    event = _json(raw)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return _shorten(repr(raw[: 2 * _LONGEST_LINE])[1:], _LONGEST_LINE)
    rest = {key: _brief(value) for key, value in event.items() if key not in ("type", "event_id")}
    text = msgspec.json.encode(rest).decode() if rest else ""
    return _shorten(f"{event['type']}  {text}".rstrip(), _LONGEST_LINE)


def _input(given: Input) -> tuple[str, str]:
    match given:
        case Message(side=side, kind=kind, raw=raw):
            return side.value, frame(raw, kind, side)
        case Opened(side=side, connection=connection):
            return side.value, _numbered("opened", connection)
        case Closed(side=side, connection=connection, code=code, reason=reason):
            return side.value, f"{_numbered('closed', connection)}: {code} {reason}".rstrip()
        case ToolResult(call_id=call_id, output=output, failed=failed):
            return "tool", f"{'failed' if failed else 'result'} of {call_id}: {_shorten(output, _LONGEST_TEXT)}"
        case _:
            return "operator", f"stop within {given.grace:g} s: {given.reason}"


def _command(command: Command) -> tuple[str, str]:
    match command:
        case Forward():
            return "", "passed on"
        case Send(side=side, raw=raw, kind=kind):
            return side.value, frame(raw, kind, side.other)
        case Connect(connection=connection):
            return "upstream", _numbered("connect", connection)
        case RunTool(call_id=call_id, name=name, arguments=arguments):
            return "tool", f"run {call_id}: {name}({_shorten(arguments, _LONGEST_TEXT)})"
        case CancelTool(call_id=call_id):
            return "tool", f"cancel {call_id}"
        case Note(text=text):
            return "log", text
        case _:
            return "both", f"hang up: {command.code} {command.reason}".rstrip()


def _side_of(done: Done | None) -> str:
    return entry(done) if done is not None else "nothing more before the next input"


def _what_differs(expected: Done, got: Done) -> Iterator[str]:
    """What a look at the two lines may not show."""
    if expected.at != got.at:
        yield f"time: {expected.at:.6f} expected, {got.at:.6f} got"
    match expected.command, got.command:
        case Send(side=side) as recorded, Send() as today if recorded.side is today.side and recorded.raw != today.raw:
            yield from _frames_differ(recorded.raw, today.raw, side.other)


def _frames_differ(expected: bytes, got: bytes, speaker: Side) -> Iterator[str]:
    here, there = find_audio(expected, speaker), find_audio(got, speaker)
    if here is not None and there is not None and expected[here] != got[there]:
        yield _audio_differs(expected[here], got[there])
        expected = expected[: here.start] + expected[here.stop :]
        got = got[: there.start] + got[there.stop :]
    difference = _first_difference(_json(expected), _json(got), "")
    if difference is not None:
        yield difference
    elif expected != got:
        at = _same_bytes(expected, got)
        yield f"the same JSON, written differently from byte {at}: {expected[at : at + 20]!r}, {got[at : at + 20]!r}"


def _audio_differs(expected: bytes, got: bytes) -> str:
    try:
        recorded, today = decode_base64(expected), decode_base64(got)
    except ValueError:
        return f"audio: not the same base64 from character {_same_bytes(expected, got)} on"
    sizes = f"{len(recorded)} bytes" + ("" if len(recorded) == len(today) else f" expected, {len(today)} got")
    return f"audio: {sizes}; the same up to byte {_same_bytes(recorded, today)}"


def _same_bytes(a: bytes, b: bytes) -> int:
    """How many bytes are the same at the beginning."""
    shorter = min(len(a), len(b))
    return next((index for index in range(shorter) if a[index] != b[index]), shorter)


def _first_difference(expected: Json, got: Json, path: str) -> str | None:
    """The first value that differs, with its path."""
    if isinstance(expected, dict) and isinstance(got, dict):
        pairs = [(f"{path}.{key}".lstrip("."), expected.get(key), got.get(key)) for key in expected | got]
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(expected, got, strict=True))]
    elif expected == got:
        return None
    else:
        return f"{path or 'the frame'}: {_shown(expected)} expected, {_shown(got)} got"
    return next((found for key, a, b in pairs if (found := _first_difference(a, b, key)) is not None), None)


def _json(raw: bytes) -> Json:
    """The frame's JSON; None if it is none, or nothing."""
    try:
        value: Json = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
    return value


def _brief(value: Json) -> Json:
    """A value with its long texts shortened."""
    match value:
        case str():
            return _shorten(value, _LONGEST_TEXT)
        case list():
            return [_brief(each) for each in value]
        case dict():
            return {key: _brief(each) for key, each in value.items()}
        case _:
            return value


def _shown(value: Json) -> str:
    return _shorten(msgspec.json.encode(_brief(value)).decode(), _LONGEST_LINE)


def _shorten(text: str, longest: int) -> str:
    text = text.replace("\n", "⏎")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _decoded(base64: bytes) -> int:
    return len(base64) // 4 * 3 - base64.count(b"=", -4)


def _numbered(what: str, connection: int) -> str:
    return what if connection == 1 else f"{what}, connection {connection}"

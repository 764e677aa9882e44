"""Every frame comes back byte for byte, and its audio is in a file wherever it can be."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_engine.audio import encode_base64
from realtime_engine.inputs import Kind, Side
from realtime_engine.recording import frames
from realtime_engine.recording.frames import FrameFields, Place, Stored, frame_fields, restore

AUDIO = bytes(range(100))
BASE64 = encode_base64(AUDIO)
APPEND = b'{"type":"input_audio_buffer.append","audio":"%b"}'
DELTA = b'{"type":"response.output_audio.delta","item_id":"item_1","delta":"%b","obfuscation":"x"}'
FORMER_DELTA = b'{"type":"response.audio.delta","item_id":"item_1","delta":"%b"}'


class Shelf:
    """Keeps audio in memory."""

    def __init__(self) -> None:
        self.audio = b""

    def keep(self, audio: bytes) -> Stored:
        self.audio += audio
        return Stored("front.wav", len(self.audio) - len(audio), len(self.audio))

    def fetch(self, place: Place) -> bytes:
        assert place.file == "front.wav"
        return self.audio[place.start : place.stop]


def written(raw: bytes, kind: Kind = Kind.TEXT, speaker: Side = Side.FRONT) -> tuple[FrameFields, Shelf, bytes]:
    """What a line says of a frame; the shelf with its audio; the line."""
    shelf = Shelf()
    line = b"{" + frame_fields(raw, kind, speaker, shelf.keep) + b"}"
    assert b"\n" not in line
    json.loads(line)  # it is what other programs take for JSON, too
    return msgspec.json.decode(line, type=FrameFields), shelf, line


@pytest.mark.parametrize(
    ("frame", "speaker"), [(APPEND, Side.FRONT), (DELTA, Side.UPSTREAM), (FORMER_DELTA, Side.UPSTREAM)]
)
def test_audio_goes_to_the_file_and_the_text_stays(frame: bytes, speaker: Side) -> None:
    fields, shelf, line = written(frame % BASE64, speaker=speaker)

    assert shelf.audio == AUDIO
    assert b'"event":' + frame % b"" in line
    assert fields.audio == Place(frame.index(b"%b"), "front.wav", 0, 100)
    assert b'"audio":{"at":%d,"file":"front.wav","from":0,"to":100}' % frame.index(b"%b") in line
    assert restore(fields, shelf.fetch) == (frame % BASE64, Kind.TEXT)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"input_audio_buffer.append","audio" : "%b"}',
        b'{ "audio":"%b", "event_id":"\xc3\xa9", "type":"input_audio_buffer.append" }',
        b'{"type":"input_audio_buffer.append","event_id":"audio","audio":"%b"}',
    ],
)
def test_however_a_library_writes_an_event_its_audio_is_found(frame: bytes) -> None:
    fields, shelf, _ = written(frame % BASE64)

    assert shelf.audio == AUDIO
    assert restore(fields, shelf.fetch) == (frame % BASE64, Kind.TEXT)


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (APPEND % b"AB==", b"\0"),  # the bits that are left over are not zero
        (APPEND % b"A", b""),
        (APPEND % b"%%%%", b""),
        (APPEND % b"\\/\\/\\/\\/", b""),  # JSON's own escape
        (APPEND % b"", b""),
        (b'{"type":"input_audio_buffer.append","audio":"AAAA","audio":"AAAA"}', b""),
        (b'{"type":"input_audio_buffer.append","audio":{"audio":"AAAA"}}', b""),
        (b'{"type":"input_audio_buffer.append","audio":null}', b""),
        (b'{"type":"input_audio_buffer.append","audio":"AAAA', b""),
        (b'{"type":"conversation.item.create","audio":"AAAA"}', b""),
        (DELTA % BASE64, b""),  # it is no event of a front
        (b"[1]", b""),
    ],
)
def test_audio_that_could_not_be_put_back_exactly_stays_in_the_frame(frame: bytes, kept: bytes) -> None:
    fields, shelf, _ = written(frame)

    assert fields.audio is msgspec.UNSET
    assert shelf.audio == kept
    assert restore(fields, shelf.fetch) == (frame, Kind.TEXT)


def test_audio_that_no_file_has_stays_in_the_frame() -> None:
    line = b"{" + frame_fields(APPEND % BASE64, Kind.TEXT, Side.FRONT, lambda _: None) + b"}"

    assert line == b'{"event":' + APPEND % BASE64 + b"}"


def test_the_audio_of_a_binary_frame_goes_to_the_file() -> None:
    fields, shelf, line = written(AUDIO, Kind.BINARY)

    assert line == b'{"binary":"","audio":{"at":0,"file":"front.wav","from":0,"to":100}}'
    assert restore(fields, shelf.fetch) == (AUDIO, Kind.BINARY)


def test_an_empty_binary_frame_names_no_audio() -> None:
    fields, shelf, line = written(b"", Kind.BINARY)

    assert line == b'{"binary":""}'
    assert restore(fields, shelf.fetch) == (b"", Kind.BINARY)


def test_a_binary_frame_that_is_no_audio_stays_in_the_line() -> None:
    line = b"{" + frame_fields(AUDIO, Kind.BINARY, Side.UPSTREAM, lambda _: None) + b"}"

    assert line == b'{"binary":"%b"}' % BASE64
    fields = msgspec.json.decode(line, type=FrameFields)
    assert restore(fields, Shelf().fetch) == (AUDIO, Kind.BINARY)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":\n1}',
        b'{"a":1}\r',
        b' {"a":1}',
        b"{",
        b"",
        b"NaN",
        b'{"a":1},"event":{"b":2}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"[" * 201 + b"]" * 201,
        b"[" * 100_000,
    ],
)
def test_what_is_not_one_line_of_json_is_stored_as_it_is(raw: bytes) -> None:
    fields, shelf, _ = written(raw)

    assert fields.event is msgspec.UNSET
    assert restore(fields, shelf.fetch) == (raw, Kind.TEXT)


def test_many_brackets_that_are_not_deep_are_an_event_all_the_same() -> None:
    raw = b"[" * 199 + b",".join([b"{}", b'"[[["'] * 1000) + b"]" * 199

    fields, shelf, line = written(raw)

    assert line == b'{"event":' + raw + b"}"
    assert restore(fields, shelf.fetch) == (raw, Kind.TEXT)


def test_a_secret_is_replaced_and_marked() -> None:
    _, _, line = written(b'{"type":"session.update","session":{"tools":[{"headers":{"a":"b"}}]}}')

    assert line == b'{"event":{"type":"session.update","session":{"tools":[{"headers":"[redacted]"}]}},"redacted":true}'


def test_a_secret_beside_audio_is_replaced_too() -> None:
    frame = b'{"type":"input_audio_buffer.append","authorization":"%b","audio":"%b"}'

    fields, shelf, _ = written(frame % (b"Bearer x", BASE64))

    assert fields.redacted is True
    assert restore(fields, shelf.fetch) == (frame % (b"[redacted]", BASE64), Kind.TEXT)


def test_fields_without_a_frame_are_an_error() -> None:
    with pytest.raises(ValueError, match="neither a frame"):
        restore(FrameFields(), Shelf().fetch)


@given(raw=st.binary() | st.text().map(str.encode), speaker=st.sampled_from(Side), kind=st.sampled_from(Kind))
@example(raw=b'{"type":"\\ud800"}', speaker=Side.FRONT, kind=Kind.TEXT)
def test_any_bytes_come_back(raw: bytes, speaker: Side, kind: Kind) -> None:
    fields, shelf, _ = written(raw, kind, speaker)

    assert restore(fields, shelf.fetch) == (raw, kind)


PIECES = st.sampled_from(
    [
        b'{"type":"input_audio_buffer.append"',
        b',"audio":"',
        b'"audio" :\t"',
        b"AAAA",
        b'"',
        b"}",
        b",",
        b"{",
        b"\\",
        b" ",
    ]
)


@given(raw=st.lists(PIECES, max_size=12).map(b"".join))
def test_what_is_nearly_an_audio_event_comes_back(raw: bytes) -> None:
    fields, shelf, _ = written(raw)

    assert restore(fields, shelf.fetch) == (raw, Kind.TEXT)


@given(
    fields=st.dictionaries(st.text(max_size=10), st.text() | st.integers() | st.lists(st.none()), max_size=5),
    audio=st.binary(min_size=1),
    indent=st.none() | st.just(1),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    ascii_only=st.booleans(),
)
def test_audio_events_of_any_json_library_come_back(
    fields: dict[str, object], audio: bytes, indent: int | None, separators: tuple[str, str], *, ascii_only: bool
) -> None:
    event = fields | {"type": "input_audio_buffer.append", "audio": encode_base64(audio).decode()}
    raw = json.dumps(event, indent=indent, separators=separators, ensure_ascii=ascii_only).encode()

    restored, shelf, _ = written(raw)

    assert shelf.audio == audio or b"{" in raw[1:]
    assert restore(restored, shelf.fetch) == (raw, Kind.TEXT)


QUICK_OR_NOT = [
    b'{"type":"response.output_audio.delta","event_id":"event_1","item_id":"item_1","output_index":0,"delta":"%b"}',
    b'{"type":"response.output_audio.delta","authorization":"Bearer x","delta":"%b"}',
    b'{"type":"response.output_audio.delta","item_id":"ek_abcdefghijklmnopqrstuvwxyz","delta":"%b"}',
    b'{"type":"response.output_audio.delta","item_id":"\\u0041","delta":"%b"}',
    b'{"type":"response.output_audio.delta","item_id":"\xff","delta":"%b"}',
    b'{"type":"response.output_audio.delta","item_id":7,"delta":"%b"}',
    b'{"type":"response.output_audio.delta","item_id":,"delta":"%b"}',
    b'{"type":"response.output_audio.delta",\n"delta":"%b"}',
    b'{"type":"response.output_audio_transcript.delta","item_id":"item_1","delta":"Gr\xc3\xbc\xc3\x9fe"}',
    b'{"type":"response.output_audio_transcript.delta","item_id":"item_1","delta":" the","obfuscation":"h7Kq2wZ"}',
    b'{"type":"response.output_audio.delta","delta":"%b","delta":"%b"}',
    b'{"type":"response.output_audio.delta","delta":"%b","item_id":"item_1"}',
    b'{"type":"response.output_audio.done","delta":"%b"}',
    b'{"type":"response.output_text.delta","delta":"the key is sk-abcdefghijklmnopqrstuvwx"}',
    b'{"type":"response.output_text.delta","delta":"torn',
    b'{"type":"response.output_text.delta","delta":"x"} ',
    b'{"type":"response.output_text.delta","delta":{"headers":{}}}',
]


@pytest.mark.parametrize("piece", QUICK_OR_NOT)
def test_the_quick_look_at_a_piece_gives_what_the_careful_one_gives(
    monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    raw = piece.replace(b"%b", BASE64)
    _, _, quick = written(raw, speaker=Side.UPSTREAM)
    monkeypatch.setattr(frames, "_plain_type", lambda text: "")
    _, _, careful = written(raw, speaker=Side.UPSTREAM)

    assert quick == careful

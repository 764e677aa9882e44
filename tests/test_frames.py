"""Frames are read the same however they are cut, and whatever a peer gets wrong is found, and nothing else."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode

from realtime_engine import frames
from realtime_engine.errors import RemoteProtocolError
from realtime_engine.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASKED,
    MOST_FRAMES,
    MOST_PINGS,
    PING,
    PONG,
    TEXT,
    FrameReader,
    PeerClose,
    close_payload,
    header,
    may_be_sent,
)
from realtime_engine.inputs import Kind, Message, Side
from tests.framing import frame

KEY = b"\x01\x82\x13\xf4"
MAX = 1 << 20


def reader(*, masked: bool = False, max_message: int = MAX, max_fragments: int = 16) -> FrameReader:
    return FrameReader(Side.FRONT, masked=masked, max_message=max_message, max_fragments=max_fragments)


def feed(to: FrameReader, data: bytes, *, piece: int | None = None) -> list[Message]:
    """Give a reader bytes as the wire does: in one piece or in many, the small rest in front of what follows."""
    got: list[Message] = []
    for at in range(0, len(data), piece or max(len(data), 1)):
        new = data[at : at + piece] if piece else data
        got += to.read(memoryview(bytes(to.kept) + new)) if len(to.kept) < 100 else to.extend(new)
        while to.more:
            got += to.extend(b"")
    return got


def text(raw: bytes) -> Message:
    return Message(Side.FRONT, Kind.TEXT, raw)


def raw_frame(opcode: int, payload: bytes, *, fin: bool = True, key: bytes | None = None) -> bytes:
    """A frame that need not be the whole of a message."""
    whole = frame(opcode, payload, key)
    return whole if fin else bytes((whole[0] & ~FIN,)) + whole[1:]


# --- what is right ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_a_message_of_any_size_comes_back_as_it_was(size: int, key: bytes | None) -> None:
    payload = bytes(itertools.islice(itertools.cycle(range(256)), size))

    got = feed(reader(masked=key is not None), frame(BINARY, payload, key))

    assert got == [Message(Side.FRONT, Kind.BINARY, payload)]


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_is_the_one_that_another_library_writes(size: int, key: bytes | None) -> None:
    payload = bytes(size)
    ours = frame(TEXT, payload, key)

    theirs = bytes(Frame(Opcode.TEXT, payload).serialize(mask=key is not None))

    head = len(header(TEXT, size, MASKED if key else 0))
    assert ours[:head] == theirs[:head]
    assert len(ours) == len(theirs)


MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.just(TEXT), st.text(max_size=300).map(str.encode)),
        st.tuples(st.just(BINARY), st.binary(max_size=300)),
        st.tuples(st.just(PING), st.binary(max_size=125)),
        st.tuples(st.just(PONG), st.binary(max_size=125)),
    ),
    max_size=8,
)


@given(messages=MESSAGES, cuts=st.randoms(use_true_random=False), masked=st.booleans(), piece=st.integers(1, 80))
def test_however_a_stream_is_fragmented_and_cut_the_same_messages_come_of_it(
    messages: list[tuple[int, bytes]], cuts: Random, masked: bool, piece: int
) -> None:
    key = KEY if masked else None
    stream = b""
    for opcode, payload in messages:
        parts = [payload]
        while opcode in {TEXT, BINARY} and len(parts) < 10 and cuts.random() < 0.5:
            last = parts.pop()
            cut = cuts.randint(0, len(last))
            parts += [last[:cut], last[cut:]]
        for number, part in enumerate(parts):
            stream += raw_frame(CONTINUATION if number else opcode, part, fin=number == len(parts) - 1, key=key)
            if len(parts) > 1 and number == 0:
                stream += raw_frame(PONG, b"between", key=key)
    to = reader(masked=masked)

    got = feed(to, stream, piece=piece)

    kinds = {TEXT: Kind.TEXT, BINARY: Kind.BINARY}
    assert got == [Message(Side.FRONT, kinds[opcode], payload) for opcode, payload in messages if opcode in kinds]
    assert to.pings == [payload for opcode, payload in messages if opcode == PING]
    assert to.failed is None
    assert not to.kept


def test_a_reader_takes_only_so_many_frames_in_one_go() -> None:
    to = reader()
    stream = frame(TEXT, b"x") * (MOST_FRAMES + 1)

    first = to.read(memoryview(stream))
    assert (len(first), to.more) == (MOST_FRAMES, True)
    assert (len(to.extend(b"")), to.more) == (1, False)


def test_of_a_flood_of_pings_the_newest_are_kept() -> None:
    to = reader()

    feed(to, b"".join(frame(PING, str(number).encode()) for number in range(100)))

    assert to.pings == [str(number).encode() for number in range(100 - MOST_PINGS, 100)]


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", PeerClose(1005, "")),
        (b"\x03\xe8", PeerClose(1000, "")),
        (b"\x03\xf5" + "schön".encode(), PeerClose(1013, "schön")),
        (b"\x0f\xa1x", PeerClose(4001, "x")),
    ],
)
def test_a_close_is_understood_and_nothing_after_it_is_looked_at(payload: bytes, close: PeerClose) -> None:
    to = reader()

    got = feed(to, frame(TEXT, b"last") + frame(CLOSE, payload) + b"\xff\xff")

    assert got == [text(b"last")]
    assert to.closed == close
    assert to.failed is None


# --- what is wrong ----------------------------------------------------------------------------------------------

EURO = "€".encode()
WRONG = {
    "a reserved bit": (bytes((FIN | 0x40 | TEXT, 0)), 1002),
    "an unknown kind": (bytes((FIN | 3, 0)), 1002),
    "an unknown control frame": (bytes((FIN | 0xB, 0)), 1002),
    "a mask from a server": (bytes((FIN | TEXT, 0x80)), 1002),
    "a fragmented ping": (bytes((PING, 0)), 1002),
    "a long ping": (bytes((FIN | PING, 126)), 1002),
    "a continuation of nothing": (bytes((FIN, 0)), 1002),
    "a message within a message": (bytes((TEXT, 0, FIN | TEXT, 0)), 1002),
    "a length of 16 bits for a short frame": (bytes((FIN | TEXT, 126, 0, 125)), 1002),
    "a length of 64 bits for a short frame": (bytes((FIN | TEXT, 127)) + (65535).to_bytes(8, "big"), 1002),
    "a length of 64 bits": (bytes((FIN | TEXT, 127)) + b"\xff" * 8, 1002),
    "a message that is too large": (bytes((FIN | TEXT, 127)) + (MAX + 1).to_bytes(8, "big"), 1009),
    "fragments that are too large": (
        raw_frame(BINARY, bytes(MAX), fin=False) + bytes((CONTINUATION, 1)),
        1009,
    ),
    "too many fragments": (raw_frame(BINARY, b"", fin=False) + bytes((CONTINUATION, 0)) * 15, 1009),
    "half a character": (frame(TEXT, EURO[:2]), 1007),
    "half a character in the last fragment": (
        raw_frame(TEXT, EURO[:1], fin=False) + frame(CONTINUATION, EURO[1:2]),
        1007,
    ),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "an overlong character": (frame(TEXT, b"\xc0\x80"), 1007),
    "a wrong byte in a fragment": (raw_frame(TEXT, b"\xff", fin=False), 1007),
    "a wrong byte at the beginning of a long frame": (header(TEXT, 60000, 0) + b"\xff", 1007),
    "half a code": (frame(CLOSE, b"\x03"), 1002),
    "a close that may not be sent": (frame(CLOSE, b"\x03\xed"), 1002),
    "a reason that is no text": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize(("data", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found_as_soon_as_it_is_there(data: bytes, code: int, piece: int | None) -> None:
    to = reader()

    got = feed(to, frame(TEXT, b"before") + data + frame(TEXT, b"after"), piece=piece)

    assert got == [text(b"before")]
    assert to.failed is not None
    assert to.failed.close_code == code
    assert to.failed.side is Side.FRONT


@pytest.mark.parametrize("key", [None, KEY])
def test_a_large_text_that_goes_wrong_in_the_middle_is_found_there(key: bytes | None) -> None:
    to = reader(masked=key is not None)
    stream = frame(TEXT, b"a" * 100_000 + b"\xff" + bytes(800_000), key)

    assert to.extend(stream[:100_000]) == []
    assert not to.failed
    assert to.extend(stream[100_000:100_100]) == []
    assert to.failed is not None
    assert to.failed.close_code == 1007
    assert to.failed.__context__ is None
    assert to.extend(stream[100_100:]) == []


def test_a_client_must_mask() -> None:
    to = reader(masked=True)

    feed(to, frame(TEXT, b"x"))

    assert to.failed is not None
    assert to.failed.close_code == 1002


@given(st.binary(max_size=400), st.booleans(), st.integers(1, 50))
def test_noise_ends_in_an_error_of_the_protocol_or_in_nothing(noise: bytes, masked: bool, piece: int) -> None:
    whole, pieces = reader(masked=masked), reader(masked=masked)

    got = feed(whole, noise)

    assert feed(pieces, noise, piece=piece) == got
    assert pieces.closed == whole.closed
    assert str(pieces.failed) == str(whole.failed)
    assert whole.failed is None or isinstance(whole.failed, RemoteProtocolError)


PIECES = st.one_of(st.binary(max_size=4), st.text(max_size=3).map(str.encode))


@given(st.lists(PIECES, min_size=1, max_size=6))
def test_a_text_is_accepted_exactly_if_python_reads_it(parts: list[bytes]) -> None:
    stream = b"".join(
        raw_frame(CONTINUATION if number else TEXT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )
    whole = b"".join(parts)
    to = reader()

    got = feed(to, stream, piece=1)

    try:
        whole.decode()
    except UnicodeDecodeError:
        assert to.failed is not None
        assert to.failed.close_code == 1007
    else:
        assert got == [text(whole)]


# --- closes -----------------------------------------------------------------------------------------------------


def test_the_codes_that_may_be_sent_are_those_of_another_library() -> None:
    for code in range(5001):
        try:
            Close(code, "").check()
            theirs = True
        except ProtocolError:
            theirs = False
        assert may_be_sent(code) is theirs, code


def test_a_long_reason_is_cut_between_two_characters() -> None:
    payload = close_payload(1011, "ü" * 100)

    assert payload == b"\x03\xf3" + ("ü" * 61).encode()
    assert len(payload) <= 125


def test_a_reason_of_any_text_can_be_said() -> None:
    assert close_payload(1000, "\ud800") == b"\x03\xe8?"
    assert close_payload(frames.NO_CODE, "never sent") == b""


# --- frames that can go on as they are ----------------------------------------------------------------------------


def test_whole_text_frames_of_a_server_can_go_on_as_they_are() -> None:
    stream = frame(TEXT, b"one") + frame(TEXT, "zwölf".encode()) + frame(TEXT, b"x" * 70_000)
    to = reader(masked=False)

    batch = to.read(memoryview(stream + frame(TEXT, b"and half")[:4]))

    assert len(batch) == 3
    assert bytes(batch.framed) == stream
    assert bytes(to.kept) == frame(TEXT, b"and half")[:4]


@pytest.mark.parametrize(
    "other",
    [
        frame(BINARY, b"x"),
        frame(PING, b"x"),
        frame(CLOSE, b""),
        raw_frame(TEXT, b"x", fin=False) + raw_frame(CONTINUATION, b"x"),
        b"\xff\xff",
    ],
)
def test_among_other_frames_none_goes_on_as_it_is(other: bytes) -> None:
    stream = frame(TEXT, b"one")

    for come in (stream + other, other + stream):
        assert reader(masked=False).read(memoryview(come)).framed == b""


def test_what_a_client_sends_or_what_was_kept_goes_on_in_frames_of_our_own() -> None:
    to = reader(masked=False)

    assert reader(masked=True).read(memoryview(frame(TEXT, b"one", KEY))).framed == b""
    assert to.extend(frame(TEXT, b"one")).framed == b""

import msgspec
import pytest

from realtime_engine.events import InputAudioBufferClear, UnknownEvent
from realtime_engine.inputs import Kind, Message, Side

CLEAR = b'{"type":"input_audio_buffer.clear"}'


def test_each_side_is_across_from_the_other() -> None:
    assert Side.FRONT.other is Side.UPSTREAM
    assert Side.UPSTREAM.other is Side.FRONT


def test_a_message_is_decoded_once_and_only_when_somebody_looks() -> None:
    message = Message(Side.FRONT, Kind.TEXT, CLEAR)

    assert message.type == "input_audio_buffer.clear"
    assert message.type is message.type
    assert message.event == InputAudioBufferClear()
    assert message.event is message.event


def test_a_message_that_is_not_json_is_carried_until_somebody_looks() -> None:
    message = Message(Side.FRONT, Kind.TEXT, b"hello")

    assert message.raw == b"hello"
    with pytest.raises(msgspec.DecodeError):
        _ = message.type
    with pytest.raises(msgspec.DecodeError):
        _ = message.event


def test_a_message_of_an_unknown_type_keeps_its_bytes() -> None:
    raw = b'{"type" : "ping", "timestamp": 1}'
    message = Message(Side.UPSTREAM, Kind.TEXT, raw)

    assert message.event == UnknownEvent(name="ping")
    assert message.raw == raw


def test_messages_are_equal_by_side_kind_and_bytes() -> None:
    message = Message(Side.FRONT, Kind.TEXT, CLEAR)

    assert message == Message(Side.FRONT, Kind.TEXT, CLEAR)
    assert message != Message(Side.UPSTREAM, Kind.TEXT, CLEAR)
    assert message != Message(Side.FRONT, Kind.BINARY, CLEAR)
    assert message != Message(Side.FRONT, Kind.TEXT, CLEAR + b" ")
    assert message != CLEAR


def test_a_message_shows_itself_in_a_bounded_line() -> None:
    shown = repr(Message(Side.FRONT, Kind.BINARY, bytes(1_000_000)))

    assert "FRONT" in shown
    assert "BINARY" in shown
    assert len(shown) < 1000


def test_a_message_that_is_kept_has_bytes_of_its_own_and_is_not_copied_twice() -> None:
    buffer = bytearray(CLEAR)
    lent = Message(Side.FRONT, Kind.TEXT, memoryview(buffer))  # type: ignore[arg-type]
    whole = Message(Side.FRONT, Kind.TEXT, CLEAR)

    kept = lent.kept()
    buffer[:] = bytes(len(buffer))

    assert kept == whole
    assert whole.kept() is whole

"""What a session wants done, in order, and what waits for the upstream."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from realtime_engine.commands import FORWARD, Command, Connect, Note, Send, Span
from realtime_engine.events import InputAudioBufferClear, ResponseCreate
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.options import Limits
from realtime_engine.outbox import Outbox, Overfull, Upstream
from realtime_engine.policy import Refused

CLEAR = b'{"type":"input_audio_buffer.clear"}'


def outbox(*, upstream_open: bool = True, pending_bytes: int = 1000) -> Outbox:
    out = Outbox(Limits(pending_bytes=pending_bytes))
    out.upstream = Upstream.OPEN if upstream_open else Upstream.AWAITED
    return out


def said(commands: Sequence[Command]) -> dict[str, Any]:
    (send,) = commands
    assert isinstance(send, Send)
    assert send.side is Side.FRONT
    event: dict[str, Any] = json.loads(send.raw)
    return event


def test_commands_come_in_the_order_they_were_given_each_once() -> None:
    out = outbox()
    out.do(Connect(1))
    out.to_upstream(InputAudioBufferClear())
    out.to_front(ResponseCreate())
    out.send_upstream(b"raw", Kind.BINARY, Span(0, 3))

    assert out.take() == [
        Connect(1),
        Send(Side.UPSTREAM, CLEAR),
        Send(Side.FRONT, b'{"type":"response.create"}'),
        Send(Side.UPSTREAM, b"raw", Kind.BINARY, Span(0, 3)),
    ]
    assert out.take() == []


def test_a_message_is_passed_on_as_it_is() -> None:
    out = outbox()
    out.forward(Message(Side.FRONT, Kind.TEXT, CLEAR))
    out.forward(Message(Side.UPSTREAM, Kind.TEXT, CLEAR))

    assert out.take() == [FORWARD, FORWARD]


def test_what_is_said_before_the_upstream_is_there_waits_and_goes_out_in_order() -> None:
    out = outbox(upstream_open=False)
    kept = bytearray(CLEAR)  # the link's own memory, good only until it reads again
    out.forward(Message(Side.FRONT, Kind.TEXT, kept))  # type: ignore[arg-type]  # bytes to all who only read
    out.to_upstream(ResponseCreate())
    out.send_upstream(b"raw", Kind.BINARY, Span(0, 3))
    kept[:] = bytes(len(kept))
    assert out.take() == []

    out.upstream = Upstream.OPEN
    out.send_pending()
    out.forward(Message(Side.FRONT, Kind.TEXT, CLEAR))

    assert out.take() == [
        Send(Side.UPSTREAM, CLEAR),
        Send(Side.UPSTREAM, b'{"type":"response.create"}'),
        Send(Side.UPSTREAM, b"raw", Kind.BINARY, Span(0, 3)),
        FORWARD,
    ]
    out.send_pending()
    assert out.take() == []


def test_the_front_hears_the_upstream_and_the_engine_though_the_upstream_is_gone() -> None:
    out = outbox(upstream_open=False)
    out.forward(Message(Side.UPSTREAM, Kind.TEXT, CLEAR))
    out.to_front(InputAudioBufferClear())

    assert out.take() == [FORWARD, Send(Side.FRONT, CLEAR)]


def test_what_waits_is_bounded_and_the_bound_is_stated() -> None:
    out = outbox(upstream_open=False, pending_bytes=10)
    out.send_upstream(bytes(10))

    with pytest.raises(Overfull, match="more than 10 bytes wait for the upstream"):
        out.send_upstream(b"x")


def test_what_has_gone_out_waits_no_longer() -> None:
    out = outbox(upstream_open=False, pending_bytes=10)
    for _ in range(3):
        out.send_upstream(bytes(10))
        out.send_pending()

    assert len(out.take()) == 3


def test_a_note_is_made_once() -> None:
    out = outbox()
    for text in ("odd", "odd", "odder", "odd"):
        out.note(text)

    assert out.take() == [Note("odd"), Note("odder")]


def test_a_peer_that_is_odd_in_many_long_ways_is_not_quoted_for_ever() -> None:
    out = outbox()
    for n in range(1000):
        out.note(f"{n}: " + "x" * 100_000)
    notes = out.take()

    assert len(notes) == 100
    assert all(isinstance(note, Note) and len(note.text) == 500 for note in notes)


def test_ids_are_counted() -> None:
    out = outbox()

    assert [out.invent_id(), out.invent_id()] == ["event_engine_1", "event_engine_2"]
    assert [outbox().invent_id()] == ["event_engine_1"]


def test_an_error_has_the_five_keys_of_the_protocol() -> None:
    out = outbox()
    out.to_front(out.error("limit_reached", "Enough.", kind="server_error"))

    assert said(out.take()) == {
        "type": "error",
        "event_id": "event_engine_1",
        "error": {
            "type": "server_error",
            "code": "limit_reached",
            "message": "Enough.",
            "param": None,
            "event_id": None,
        },
    }


def test_a_front_is_told_which_of_its_events_was_refused_and_why() -> None:
    out = outbox()
    out.refuse(Refused("not_allowed", "No.", "item.type", "event_7"))

    assert said(out.take())["error"] == {
        "type": "invalid_request_error",
        "code": "not_allowed",
        "message": "No.",
        "param": "item.type",
        "event_id": "event_7",
    }


def test_what_is_said_to_an_upstream_that_is_gone_is_said_to_nobody() -> None:
    out = outbox(pending_bytes=10)
    out.upstream = Upstream.GONE

    out.send_upstream(bytes(1000))
    out.forward(Message(Side.FRONT, Kind.BINARY, bytes(1000)))

    assert out.take() == []

"""A transparent session: frames pass untouched, and the session only watches."""

import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec
import pytest

from realtime_engine import events as ev
from realtime_engine import watch
from realtime_engine.commands import FORWARD, Command, Note, Send
from realtime_engine.inputs import Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.limits import Meter
from realtime_engine.options import Limits, Policy, SessionOptions
from realtime_engine.outbox import Outbox, Upstream
from realtime_engine.prices import Prices
from realtime_engine.session import PASSED_ON, Session
from realtime_engine.transparent import _READ_FOR_COST, _UNREAD, Transparent
from tests.script import created, done, speech
from tests.sessions import Frame, frames

RECORDED: Final = frames("openai", "azure", "xai")
EVERYTHING: Final = Policy()
NO_LIMITS: Final = Limits()


class Watched:
    """A transparent session, and what it wants done."""

    def __init__(self, policy: Policy = EVERYTHING, *, limits: Limits = NO_LIMITS, upstream_open: bool = True) -> None:
        self.meter = Meter(limits)
        self.out = Outbox(Limits())
        self.out.upstream = Upstream.OPEN if upstream_open else Upstream.AWAITED
        self.session = Transparent(SessionOptions(mode="transparent", policy=policy), self.out, self.meter)

    def front(self, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Sequence[Command]:
        self.session.front_said(0.0, message(Side.FRONT, event, kind))
        return self.out.take()

    def upstream(self, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Sequence[Command]:
        self.session.upstream_said(0.0, message(Side.UPSTREAM, event, kind))
        return self.out.take()


def message(side: Side, event: Mapping[str, Any] | bytes, kind: Kind) -> Message:
    return Message(side, kind, event if isinstance(event, bytes) else json.dumps(event).encode())


def error(commands: Sequence[Command]) -> dict[str, Any]:
    (send,) = commands
    assert isinstance(send, Send)
    assert send.side is Side.FRONT
    told: dict[str, Any] = json.loads(send.raw)["error"]
    return told


@pytest.mark.parametrize("source", sorted({frame.source for frame in RECORDED}))
def test_every_recorded_frame_passes_untouched(source: str) -> None:
    watched = Watched()

    for frame in (frame for frame in RECORDED if frame.source == source):
        commands = watched.front(frame.raw) if frame.sent else watched.upstream(frame.raw)
        assert [command for command in commands if not isinstance(command, Note)] == [FORWARD]


def test_what_a_recorded_conversation_uses_is_known_though_the_frames_only_pass() -> None:
    watched = Watched()
    for frame in recorded("openai/audio_in_server_vad_turn.jsonl"):
        watched.upstream(frame.raw)

    assert watched.meter.tokens > 0
    assert watched.session.idle(0.0)


def test_nothing_of_a_transparent_conversation_is_kept() -> None:
    session = Session(SessionOptions(mode="transparent"))
    for given in (Opened(Side.FRONT), Opened(Side.UPSTREAM)):
        session.step(0.0, given)
    for frame in recorded("openai/audio_in_server_vad_turn.jsonl"):
        session.step(0.0, message(Side.UPSTREAM, frame.raw, Kind.TEXT))

    assert session.conversation == ()


def test_what_nobody_here_reads_goes_on_whatever_it_is() -> None:
    for raw in (b'{"type":"rate_limits.updated", broken', b'{"type":"response.output_item.done"}'):
        assert Watched().upstream(raw) == [FORWARD]


def test_what_goes_on_unread_matters_neither_to_the_session_nor_to_a_watch() -> None:
    unread = {ev.type_of(event) for event in _UNREAD}

    assert not unread & _READ_FOR_COST
    assert not unread & watch._UPSTREAM.keys()


def recorded(source: str) -> list[Frame]:
    return [frame for frame in RECORDED if frame.source == source and not frame.sent]


def test_what_is_pinned_is_taken_out_and_the_log_says_so() -> None:
    watched = Watched(Policy(pinned={"instructions": "the operator's"}))

    commands = watched.front({"type": "session.update", "session": {"instructions": "mine", "tools": []}})

    assert commands == [
        Note("not for the client to set: instructions"),
        Send(Side.UPSTREAM, b'{"type":"session.update","session":{"tools":[]}}'),
    ]


def test_what_is_not_allowed_gets_an_error_and_goes_nowhere() -> None:
    refused = error(Watched().front({"type": "session.close", "event_id": "event_7"}))

    assert (refused["code"], refused["param"], refused["event_id"]) == ("invalid_value", "type", "event_7")


def test_a_binary_frame_of_a_client_gets_the_protocols_own_error() -> None:
    refused = error(Watched().front(b"\x00\x01", Kind.BINARY))

    assert refused["code"] == "invalid_event"
    assert refused["message"] == "Expected a text WebSocket message; binary frames are not supported."


def test_what_a_client_says_before_the_upstream_is_there_waits() -> None:
    watched = Watched(upstream_open=False)

    assert watched.front({"type": "response.create"}) == []
    watched.out.send_pending()
    assert watched.out.take() == [Send(Side.UPSTREAM, b'{"type": "response.create"}')]


def test_what_the_server_says_passes_whatever_it_is() -> None:
    watched = Watched()

    assert watched.upstream(b"\x00\x01", Kind.BINARY) == [FORWARD]
    assert watched.upstream({"type": "ping"}) == [FORWARD]
    assert watched.upstream(speech(0.1)) == [FORWARD]
    assert watched.upstream(b'{"type":"response.output_audio.delta","delta":not even JSON') == [FORWARD]  # unread


def test_a_known_event_in_an_unknown_shape_passes_and_is_noted_once() -> None:
    watched = Watched()
    odd = {"type": "response.done", "response": "done"}

    assert watched.upstream(odd) == [
        FORWARD,
        Note("response.done in an unknown shape, passed on: Expected `object`, got `str` - at `$.response`"),
    ]
    assert watched.upstream(odd) == [FORWARD]


@pytest.mark.parametrize("limits", [Limits(cost=1.0), Limits(prices=Prices(source="here", models={}))])
@pytest.mark.parametrize("kind", ["session.created", "session.updated"])
def test_which_model_answers_is_read_only_where_the_cost_is_counted(kind: str, limits: Limits) -> None:
    odd = {"type": kind, "session": "mine"}

    assert Watched().upstream(odd) == [FORWARD]
    assert Watched(limits=limits).upstream(odd) == [
        FORWARD,
        Note(f"{kind} in an unknown shape, passed on: Expected `object`, got `str` - at `$.session`"),
    ]


def test_what_cannot_be_decoded_is_said_to_be_so() -> None:
    with pytest.raises(msgspec.DecodeError):
        Watched().upstream(b'{"type":"response.done",')


def test_a_session_is_idle_when_no_response_is_under_way() -> None:
    watched = Watched()
    states = [watched.session.idle(0.0)]
    for event in (created("resp_1"), created("resp_2", conversation=None), done("resp_1", tokens=7), done("resp_2")):
        watched.upstream(event)
        states.append(watched.session.idle(0.0))

    assert states == [True, False, False, False, True]
    assert watched.meter.tokens == 7


def test_when_the_upstream_has_left_no_response_is_under_way() -> None:
    watched = Watched()
    watched.upstream(created())

    watched.session.upstream_left(1.0)

    assert watched.session.idle(1.0)


def test_of_responses_that_never_end_only_so_many_are_waited_for() -> None:
    watched = Watched()
    ids = [f"resp_{n}" for n in range(257)]
    for each in ids:
        watched.upstream(created(each))

    for each in ids[1:]:
        assert not watched.session.idle(0.0)
        watched.upstream(done(each))

    assert watched.session.idle(0.0)


def test_nothing_is_ever_due_or_unheard_or_run() -> None:
    watched = Watched()
    watched.upstream(created())
    watched.upstream(speech(60.0))

    session = watched.session
    session.opened()
    session.advance(5.0)
    session.tool_ended(5.0, ToolResult("call_1", "{}"))
    session.front_left()

    assert (session.deadline, session.silent(5.0), session.open_calls) == (inf, True, ())
    assert watched.out.take() == []


# --- what shows at once that it goes on as it came ----------------------------------------------------------------

APPEND: Final = b'{"type":"input_audio_buffer.append","audio":"AAAA"}'
DELTA: Final = b'{"type":"response.output_audio.delta","delta":"AAAA"}'


def test_nearly_every_frame_is_passed_on_by_its_form_alone() -> None:
    watched = Watched()

    def passed(side: Side, raw: bytes, kind: Kind = Kind.TEXT, relay: Transparent = watched.session) -> int:
        return relay.passes(1.0, (message(side, raw, kind),))

    assert passed(Side.FRONT, APPEND)
    assert passed(Side.UPSTREAM, DELTA)
    assert not passed(Side.FRONT, APPEND, Kind.BINARY)
    assert not passed(Side.FRONT, APPEND + b" ")
    assert not passed(Side.FRONT, DELTA)
    assert not passed(Side.UPSTREAM, APPEND)
    assert not passed(Side.FRONT, APPEND, relay=Watched(upstream_open=False).session)


def test_a_batch_is_passed_on_up_to_the_first_frame_that_must_be_read() -> None:
    session = Watched().session
    deltas = [message(Side.UPSTREAM, DELTA, Kind.TEXT)] * 2

    assert session.passes(1.0, [*deltas, message(Side.UPSTREAM, b'{"type":"response.done"}', Kind.TEXT), *deltas]) == 2


def test_a_frame_that_is_passed_on_by_its_form_counts_as_a_word_of_the_client() -> None:
    session = Session(SessionOptions(mode="transparent", limits=Limits(idle=10)))
    session.step(0.0, Opened(Side.FRONT))
    session.step(0.0, Opened(Side.UPSTREAM))

    assert session.step(4.0, message(Side.FRONT, APPEND, Kind.TEXT)) is PASSED_ON
    assert not session.due(13.9)
    assert session.due(14.0)
    assert session.deadline == 14.0


def test_the_form_of_a_frame_counts_for_nothing_once_the_session_is_ending() -> None:
    session = Session(SessionOptions(mode="transparent"))
    session.step(0.0, Opened(Side.FRONT))
    session.step(0.0, Opened(Side.UPSTREAM))
    session.step(0.0, message(Side.UPSTREAM, created(), Kind.TEXT))
    session.step(1.0, Stop("restart", grace=5))

    assert session.step(2.0, message(Side.FRONT, APPEND, Kind.TEXT)) == [FORWARD]
    assert session.due(6.0)

"""How a conversation begins and ends, and the laws that hold for every sequence of inputs."""

import json
from collections.abc import Sequence
from math import inf
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from realtime_engine.audio import PCM16, decode_base64, encode_base64, microseconds
from realtime_engine.commands import Command, Connect, Forward, HangUp, Note, Send
from realtime_engine.driving import ignore, steps
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.options import NO_SETTINGS, Limits, Reconnect, SessionOptions, ToolSchema
from realtime_engine.prices import Price, Prices
from realtime_engine.session import Session
from tests.script import (
    created,
    done,
    function_call,
    session_created,
    speech,
    speech_started,
    speech_stopped,
)


def event(side: Side, said: dict[str, Any] | str) -> Message:
    body = {"type": said} if isinstance(said, str) else said
    return Message(side, Kind.TEXT, json.dumps(body, separators=(",", ":")).encode())


def opened(**options: Any) -> Session:
    session = Session(SessionOptions(**options))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    return session


def errors(commands: Sequence[Command]) -> list[str]:
    sent = [json.loads(command.raw) for command in commands if isinstance(command, Send)]
    return [said["error"]["code"] for said in sent if said["type"] == "error"]


def notes(commands: Sequence[Command]) -> list[str]:
    return [command.text for command in commands if isinstance(command, Note)]


def hang_up(commands: Sequence[Command]) -> HangUp | None:
    return next((command for command in commands if isinstance(command, HangUp)), None)


# --- beginning and end ----------------------------------------------------------------------------------------


def test_the_front_connects_first_and_then_the_upstream_is_connected() -> None:
    session = Session(SessionOptions())

    assert Connect(1) in session.step(0, Opened(Side.FRONT))


def test_a_front_that_leaves_ends_the_conversation_and_its_last_words_go_upstream() -> None:
    session = opened()
    session.step(1, Message(Side.FRONT, Kind.BINARY, bytes(100)))

    commands = session.step(1, Closed(Side.FRONT))

    assert isinstance(commands[0], Send)
    assert commands[0].side is Side.UPSTREAM
    assert commands[1:] == [HangUp(1000, "the front has left")]


def test_a_front_that_leaves_before_the_upstream_is_there_leaves_nothing_behind() -> None:
    session = Session(SessionOptions())
    session.step(0, Opened(Side.FRONT))
    session.step(1, Message(Side.FRONT, Kind.BINARY, bytes(100)))

    assert session.step(1, Closed(Side.FRONT)) == [HangUp(1000, "the front has left")]


def test_a_front_that_the_driver_has_given_up_is_told_so() -> None:
    assert opened().step(1, Closed(Side.FRONT, code=1013, reason="too slow")) == [HangUp(1013, "too slow")]


def test_after_the_end_a_session_says_nothing_more() -> None:
    session = opened()
    session.step(1, Closed(Side.FRONT))

    assert session.over
    assert session.deadline == inf
    assert session.step(2, Closed(Side.UPSTREAM)) == ()
    assert session.advance(99) == []


@pytest.mark.parametrize(("code", "reason"), [(1006, ""), (1011, "out of memory")])
def test_an_upstream_that_is_lost_reaches_the_front_as_one_error_and_a_close_with_a_reason(
    code: int, reason: str
) -> None:
    commands = opened().step(1, Closed(Side.UPSTREAM, 1, code, reason))

    end = hang_up(commands)
    assert errors(commands) == ["upstream_closed"]
    assert end is not None
    assert end.code == 1011
    assert (reason or "lost") in end.reason
    assert str(code) in end.reason


def test_a_code_that_no_server_has_sent_is_not_told() -> None:
    commands = opened().step(1, Closed(Side.UPSTREAM, 1, 1006, "no answer to a ping for 20 s"))

    assert hang_up(commands) == HangUp(1011, "the upstream has failed: no answer to a ping for 20 s")


def test_an_upstream_that_says_good_bye_ends_the_conversation_without_an_error() -> None:
    commands = opened().step(1, Closed(Side.UPSTREAM, 1, 1000, ""))

    assert commands == [HangUp(1000, "the upstream has ended the conversation")]


def test_a_stop_ends_the_conversation_at_once_when_nothing_is_under_way() -> None:
    assert opened().step(1, Stop("goodbye", grace=10)) == [HangUp(1001, "goodbye")]
    assert opened().step(1, Stop("restart", grace=10, code=1012)) == [HangUp(1012, "restart")]


def test_a_stop_lets_the_answer_be_heard_but_waits_no_longer_than_its_grace() -> None:
    brief, long = opened(), opened()
    for session, seconds in ((brief, 2.0), (long, 60.0)):
        session.step(1, event(Side.UPSTREAM, created()))
        session.step(1, event(Side.UPSTREAM, speech(seconds)))
        session.step(1, event(Side.UPSTREAM, done()))
        assert hang_up(session.step(1, Stop("restart", grace=10))) is None

    assert [(at, hang_up(commands)) for at, commands in brief.advance(99)] == [(3.0, HangUp(1001, "restart"))]
    assert [(at, hang_up(commands)) for at, commands in long.advance(99)] == [(11.0, HangUp(1001, "restart"))]


def test_a_stop_keeps_its_deadline_when_the_upstream_goes_too() -> None:
    session = opened()
    session.step(0, event(Side.UPSTREAM, speech(30)))
    session.step(1, Stop("restart", grace=1))
    session.step(1.5, Closed(Side.UPSTREAM, 1, 1000, "bye"))

    assert [(at, hang_up(commands)) for at, commands in session.advance(99)] == [(2.0, HangUp(1001, "restart"))]


def test_an_upstream_that_the_driver_has_given_up_ends_the_conversation_at_once() -> None:
    session = opened()
    session.step(0, event(Side.UPSTREAM, speech(30)))

    commands = session.step(1, Closed(Side.UPSTREAM, 1, 1013, "too slow"))

    assert errors(commands) == ["upstream_closed"]
    assert hang_up(commands) == HangUp(1013, "the upstream has failed: too slow (1013)")


@pytest.mark.parametrize("raw", [b"no json", b"[1]", b'{"type":', b"\xff\xfe", b'"text"', b""])
@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_an_upstream_that_does_not_speak_json_has_failed(raw: bytes, mode: str) -> None:
    commands = opened(mode=mode).step(1, Message(Side.UPSTREAM, Kind.TEXT, raw))

    end = hang_up(commands)
    assert errors(commands) == ["upstream_closed"]
    assert end is not None
    assert end.code == 1011
    assert end.reason.startswith("the upstream has said what is no event: ")


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("mode", ["managed", "transparent"])
@pytest.mark.parametrize(
    "raw",
    [
        b"no json",
        b'{"type":"response.cancel"} x',
        b'{"type":"response.create","x":1e400}',
        b'{"type":"session.update","session":{"temperature":1e400}}',
        b'{"type":"input_audio_buffer.append","audio":"\\ud800"}',
        b'{"type":"response.cancel","response_id":"\xff"}',
        b'{"type":"response.create","response":' + b"[" * 4000 + b"]" * 4000 + b"}",
        b'{"type":1e400}',
    ],
)
def test_a_client_that_says_what_is_no_event_is_told_so_and_stays(raw: bytes, mode: str, dialect: str) -> None:
    commands = opened(mode=mode, dialect=dialect).step(1, Message(Side.FRONT, Kind.TEXT, raw))

    assert errors(commands) == ["invalid_json"]
    assert len(commands) == 1


def test_what_came_before_it_is_heard_to_its_end_and_what_comes_after_it_not_at_all() -> None:
    session = opened()
    session.step(0, event(Side.UPSTREAM, created()))
    session.step(0, event(Side.UPSTREAM, speech(2)))

    assert errors(session.step(1, Message(Side.UPSTREAM, Kind.TEXT, b"no json"))) == ["upstream_closed"]
    assert session.step(1, event(Side.UPSTREAM, speech(2))) == []
    assert session.step(1, Closed(Side.UPSTREAM, 1, 1006)) == []
    ((at, commands),) = session.advance(99)
    end = hang_up(commands)
    assert end is not None
    assert (at, end.code) == (2.0, 1011)


def test_why_an_upstream_was_never_there_is_said_in_one_sentence_without_a_code_that_nobody_sent() -> None:
    session = Session(SessionOptions())
    session.step(0, Opened(Side.FRONT))

    commands = session.step(1, Closed(Side.UPSTREAM, 1, 1008, "there.example refuses the connection: check the key"))

    assert hang_up(commands) == HangUp(1011, "there.example refuses the connection: check the key")


@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_settings_of_the_operator_that_the_upstream_refuses_are_noted(mode: Literal["managed", "transparent"]) -> None:
    session = Session(SessionOptions(mode=mode, settings=Raw(b'{"type":"realtime","max_output_tokens":"lots"}')))
    session.step(0, Opened(Side.FRONT))
    told = [json.loads(each.raw) for each in session.step(0, Opened(Side.UPSTREAM)) if isinstance(each, Send)]
    detail = {"type": "invalid_request_error", "code": "invalid_value", "param": "session.max_output_tokens"}

    other = {"type": "error", "error": {**detail, "event_id": "event_of_the_client"}}
    assert notes(session.step(1, event(Side.UPSTREAM, other))) == []
    refused = {"type": "error", "error": {**detail, "event_id": told[0]["event_id"]}}
    (note,) = notes(session.step(1, event(Side.UPSTREAM, refused)))
    assert note == (
        "the upstream refuses the settings that it is given first, so none of them holds: "
        "invalid_value, session.max_output_tokens"
    )


# --- limits ---------------------------------------------------------------------------------------------------


def test_a_conversation_may_last_only_so_long() -> None:
    session = opened(limits=Limits(duration=60))

    ((at, commands),) = session.advance(100)

    assert (at, errors(commands)) == (60.0, ["limit_reached"])
    assert hang_up(commands) == HangUp(1008, "the conversation has reached its limit of 60 s")


def test_a_front_may_be_silent_only_so_long() -> None:
    session = opened(limits=Limits(idle=5))
    session.step(3, event(Side.FRONT, "input_audio_buffer.clear"))

    ((at, commands),) = session.advance(100)

    assert at == 8.0
    assert hang_up(commands) == HangUp(1008, "nothing has come from the front for 5 s")


def test_a_conversation_may_use_only_so_many_tokens() -> None:
    session = opened(limits=Limits(tokens=100))
    assert hang_up(session.step(1, event(Side.UPSTREAM, done(tokens=60)))) is None

    commands = session.step(2, event(Side.UPSTREAM, done(tokens=60)))

    assert hang_up(commands) == HangUp(1008, "the conversation has used 120 of its 100 tokens")


@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_a_conversation_may_cost_only_so_much_and_what_is_beside_it_and_written_down_counts(mode: str) -> None:
    prices = Prices(source="the list", models={"m": Price(text_out=1e6, text_in=1e6, minute=60.0)})
    session = opened(mode=mode, limits=Limits(cost=3, prices=prices))
    audio = {"input": {"transcription": {"model": "m"}}}
    written = {
        "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_u", "transcript": "Hello?",
        "usage": {"type": "duration", "seconds": 1},
    }  # fmt: skip
    beside = done("resp_b", conversation=None)
    beside["response"]["usage"] = {"total_tokens": 2, "output_tokens": 2}
    session.step(1, event(Side.UPSTREAM, {"type": "session.created", "session": {"model": "m", "audio": audio}}))
    assert hang_up(session.step(1, event(Side.UPSTREAM, written))) is None

    commands = session.step(2, event(Side.UPSTREAM, beside))

    assert hang_up(commands) == HangUp(1008, "the conversation has cost 3.0000 of its 3 USD, by the prices of the list")


def test_held_speech_that_grows_too_much_by_a_timer_is_no_exception() -> None:
    session = Session(SessionOptions(limits=Limits(pending_bytes=10)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Message(Side.FRONT, Kind.BINARY, bytes(100)))

    ((at, commands),) = session.advance(5)

    assert at == 1.0
    assert commands == [HangUp(1013, "more than 10 bytes wait for the upstream")]


# --- laws -----------------------------------------------------------------------------------------------------

TOOLS = (ToolSchema(name="weather"),)

upstream_events = st.one_of(
    st.sampled_from(
        [
            created(),
            created("resp_2"),
            created("resp_b", conversation=None),
            done(),
            done("resp_2", status="cancelled"),
            done("resp_b", conversation=None),
            speech_started(),
            speech_stopped(),
            session_created(turn_detection=None),
            session_created(turn_detection={"type": "server_vad"}, format={"type": "audio/pcma"}),
            function_call("call_1", "weather", "{}"),
            function_call("call_2", "other", "{}"),
            {"type": "error", "error": {"code": "conversation_already_has_active_response"}},
            {"type": "error", "error": {"code": None, "event_id": None}},
            {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None},
        ]
    ),
    st.builds(
        speech,
        st.sampled_from([0.02, 0.4, 1.7]),
        item=st.sampled_from(["item_1", "item_2"]),
        response=st.sampled_from(["resp_1", "resp_2", "resp_b"]),
    ),
)

front_events = st.one_of(
    st.sampled_from(
        [
            "response.create",
            "response.cancel",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
            "input_audio_buffer.stopped",
            "output_audio_buffer.clear",
            "engine.speech_started",
            "engine.speech_stopped",
        ]
    ).map(lambda kind: {"type": kind}),
    st.fixed_dictionaries(
        {
            "type": st.just("output_audio_buffer.played"),
            "item_id": st.sampled_from(["item_1", "item_2", "item_x"]),
            "audio_ms": st.floats(-10, 5000, allow_nan=False),
        },
        optional={"cleared_event_id": st.integers(1, 9).map(lambda n: f"event_engine_{n}")},
    ),
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
"""Events of a known type in any shape."""
twisted = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(
        [
            *("response.done", "session.update", "session.updated", "response.output_audio.delta", "error"),
            *("conversation.item.added", "conversation.item.created", "response.output_item.done", "response.create"),
        ]
    ),
    st.dictionaries(st.sampled_from(["item", "response", "delta", "session", "item_id"]), json_values),
)
peers = st.sampled_from(Side)
well_formed: st.SearchStrategy[Input] = st.one_of(
    upstream_events.map(lambda said: event(Side.UPSTREAM, said)),
    front_events.map(lambda said: event(Side.FRONT, said)),
    st.binary(max_size=9000).map(lambda audio: Message(Side.FRONT, Kind.BINARY, audio)),
    st.builds(ToolResult, st.sampled_from(["call_1", "call_2"]), st.text(max_size=5)),
    st.builds(Opened, st.just(Side.UPSTREAM), st.integers(1, 3)),
    st.builds(Closed, st.just(Side.UPSTREAM), st.integers(1, 3), st.sampled_from([1006, 1011])),
)
anything: st.SearchStrategy[Input] = st.one_of(
    well_formed,
    st.builds(Message, peers, st.sampled_from(Kind), st.binary(max_size=200)),
    st.builds(event, peers, twisted),
    st.builds(event, peers, json_values.map(lambda value: {"type": value})),
    st.builds(lambda side, value: Message(side, Kind.TEXT, json.dumps(value).encode()), peers, json_values),
    st.builds(Opened, peers, st.integers(1, 3)),
    st.builds(Closed, peers, st.integers(1, 3), st.sampled_from([1000, 1006, 1013]), st.text(max_size=5)),
    st.builds(Stop, st.just("stop"), st.sampled_from([0.0, 1.0])),
)
gaps = st.sampled_from([0.0, 0.000001, 0.02, 0.1234567, 0.9, 3.0])
session_options = st.builds(
    SessionOptions,
    mode=st.sampled_from(["managed", "transparent"]),
    dialect=st.sampled_from(["ga", "ga", "beta"]),
    upstream_dialect=st.sampled_from(["ga", "ga", "beta", "xai"]),
    lead=st.sampled_from([None, 0.0, 0.2]),
    reports=st.booleans(),
    detects_speech=st.booleans(),
    tools=st.just(TOOLS),
    settings=st.sampled_from([NO_SETTINGS, Raw(b'{"type":"realtime"}')]),
    limits=st.sampled_from([Limits(), Limits(duration=9, idle=4, tokens=5, pending_bytes=9000, held_bytes=40_000)]),
    reconnect=st.sampled_from([None, Reconnect(delays=(0.0, 0.5), renew_after=2.0)]),
)


@given(session_options, st.lists(st.tuples(gaps, anything), max_size=40))
def test_no_sequence_of_inputs_valid_or_not_makes_a_session_raise(
    options: SessionOptions, inputs: list[tuple[float, Input]]
) -> None:
    session = Session(options)
    now = 0.0
    for gap, each in inputs:
        now = microseconds(now + gap)
        for step in steps(session, now, each, ignore):
            assert all(isinstance(command, get_args(Command)) for command in step.commands)
        assert session.deadline > now or session.over


def _tape(options: SessionOptions, inputs: list[tuple[float, Input]], *, in_time: bool) -> list[tuple[float, Any]]:
    """All commands with their times; ``in_time`` wakes the session at each of its deadlines."""
    session = Session(options)
    said: list[tuple[float, Any]] = []
    now = 0.0
    beginning: list[tuple[float, Input]] = [(0.0, Opened(Side.FRONT)), (0.0, Opened(Side.UPSTREAM))]
    for gap, each in [*beginning, *inputs, (20.0, Closed(Side.FRONT))]:
        now = round(now + gap, 6)
        while in_time and session.deadline <= now:
            for at, commands in session.advance(session.deadline + 1e-6):
                said += [(at, command) for command in commands]
        for step in steps(session, now, each, ignore):
            said += [(step.at, command) for command in step.commands]
    return said


@given(session_options, st.lists(st.tuples(gaps, well_formed), max_size=30))
def test_waking_late_gives_the_same_commands_as_waking_in_time(
    options: SessionOptions, inputs: list[tuple[float, Input]]
) -> None:
    assert _tape(options, inputs, in_time=False) == _tape(options, inputs, in_time=True)


@given(st.sampled_from([None, 0.2]), st.booleans(), st.lists(st.tuples(gaps, well_formed), max_size=40))
def test_no_audio_of_a_cut_response_reaches_the_front_after_the_cut(
    lead: float | None, reports: bool, inputs: list[tuple[float, Input]]
) -> None:
    session = opened(lead=lead, reports=reports, tools=TOOLS)
    cut: set[str] = set()
    now = 0.0
    for gap, each in inputs:
        now = microseconds(now + gap)
        for step in steps(session, now, each, ignore):
            for command in step.commands:
                said = json.loads(raw) if (raw := _sent(command, step.input)) is not None else {"type": ""}
                if said["type"] in ("output_audio_buffer.cleared", "response.cancel"):
                    cut.add(said["response_id"])
                if said["type"] == "response.output_audio.delta":
                    assert said["response_id"] not in cut


def _sent(command: Command, given_: Input | None) -> bytes | None:
    """What goes to the front, or is the session's own word to the upstream."""
    if isinstance(command, Send):
        return command.raw
    if isinstance(command, Forward) and isinstance(given_, Message) and given_.side is Side.UPSTREAM:
        return given_.raw
    return None


@given(st.sampled_from([None, 0.2]), st.booleans(), st.lists(st.tuples(gaps, well_formed), max_size=40))
def test_heard_never_exceeds_sent(lead: float | None, reports: bool, inputs: list[tuple[float, Input]]) -> None:
    session = opened(lead=lead, reports=reports, tools=TOOLS)
    sent_ms: dict[str, float] = {}
    now = 0.0
    for gap, each in inputs:
        now = microseconds(now + gap)
        if isinstance(each, Message) and each.kind is Kind.TEXT and each.type == "response.output_audio.delta":
            said = json.loads(each.raw)
            ms = len(decode_base64(said["delta"])) / PCM16.bytes_per_ms
            sent_ms[said["item_id"]] = sent_ms.get(said["item_id"], 0.0) + ms
        for step in steps(session, now, each, ignore):
            for command in step.commands:
                if isinstance(command, Send) and b"conversation.item.truncate" in command.raw:
                    said = json.loads(command.raw)
                    assert 0 <= said["audio_end_ms"] <= sent_ms[said["item_id"]]


@given(st.binary(min_size=1, max_size=40_000), st.lists(st.integers(1, 9000), max_size=20), st.booleans())
@settings(max_examples=50)
def test_any_split_of_the_same_audio_gives_the_same_bytes_upstream(
    audio: bytes, sizes: list[int], as_events: bool
) -> None:
    whole, cut = opened(), opened()
    chunks, rest = [], audio
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]

    assert _upstream_audio(cut, [*chunks, rest], as_events) == _upstream_audio(whole, [audio], as_events)


def _upstream_audio(session: Session, chunks: list[bytes], as_events: bool) -> list[bytes]:
    commands: list[Command] = []
    for chunk in chunks:
        text = encode_base64(chunk).decode()
        message = (
            event(Side.FRONT, {"type": "input_audio_buffer.append", "audio": text})
            if as_events
            else Message(Side.FRONT, Kind.BINARY, chunk)
        )
        commands += session.step(0.5, message)
    commands += session.step(0.5, event(Side.FRONT, "input_audio_buffer.stopped"))
    return [command.raw for command in commands if isinstance(command, Send)]


def test_different_things_are_noted_once_each_and_at_most_a_hundred() -> None:
    session = opened()

    commands = [
        command
        for n in range(300)
        for command in session.step(n, event(Side.UPSTREAM, {"type": "response.done", "response": [n] * (n + 1)}))
    ]
    notes = {command.text for command in commands if isinstance(command, Note)}

    assert len(notes) == 1

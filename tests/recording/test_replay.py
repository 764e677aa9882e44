"""A replay finds the first difference, and says it so that a person understands it."""

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import encode_base64
from realtime_engine.commands import FORWARD, CancelTool, Command, Connect, HangUp, Note, RunTool, Send, Step
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.options import SessionOptions, ToolSchema
from realtime_engine.recording.lines import Came, Done
from realtime_engine.recording.redact import redact
from realtime_engine.recording.replay import Difference, replay
from realtime_engine.recording.show import entry, explain, frame
from realtime_engine.session import Session
from tests.recording.parrot import TALK, TICK, Inputs, Parrot, steps_of, text

END = 3.0


class Changed(Parrot):
    """A parrot whose commands are not what they were."""

    def __init__(self, change: Callable[[Command], Sequence[Command]]) -> None:
        super().__init__()
        self._change = change

    def step(self, now: float, given: Input) -> Sequence[Command]:
        return [changed for command in super().step(now, given) for changed in self._change(command)]


def said(difference: Difference | None) -> list[str]:
    assert difference is not None
    return [line.strip() for line in explain(difference)]


def test_the_same_session_gives_the_same_commands() -> None:
    assert replay(Parrot(), steps_of(TALK), END) is None
    assert replay(Parrot(), steps_of(TALK)) is None


def test_a_timer_that_waits_for_the_end_is_replayed_too() -> None:
    talk = (*TALK[:4], (0.5, text(b'{"type":"bye"}')))
    steps = [*steps_of(talk), Step(1.5, None, [Send(Side.FRONT, TICK)])]

    assert replay(Parrot(), steps, 1.5) is None
    assert replay(Parrot(), steps[:-1], 1.4) is None


def test_a_difference_is_named_with_the_events_around_it() -> None:
    assert said(replay(Parrot(tick=b'{"type":"tick","more":1}'), steps_of(TALK), END)) == [
        "the first difference is at 1.300000 s, after input 5:",
        "expected     1.300000           → front     tick",
        'got          1.300000           → front     tick  {"more":1}',
        "more: null expected, 1 got",
        "around it, in the recording:",
        "0.300000  front    →           hello",
        "0.300000           →           passed on",
        '0.400000  upstream →           response.output_audio.delta  {"delta":"4 bytes of audio"}',
        "0.400000           →           passed on",
        ">     1.300000           → front     tick",
        "2.000000  front    →           bye",
        "2.000000           →           passed on",
        "2.500000  front    →           closed: 1000",
        "2.500000           → both      hang up: 1000 the front has left",
    ]


def test_what_timers_did_is_shown_after_a_difference_too() -> None:
    difference = replay(Changed(lambda command: [] if command is FORWARD else [command]), steps_of(TALK), END)

    assert said(difference)[-2:] == ["1.300000           → front     tick", "2.000000  front    →           bye"]


def test_a_command_that_does_not_come_is_a_difference() -> None:
    difference = replay(Changed(lambda command: [] if isinstance(command, Note) else [command]), steps_of(TALK), END)

    assert said(difference)[:3] == [
        "the first difference is at 0.000000 s, after input 1:",
        "expected     0.000000           → log       something happened",
        "got      nothing more before the next input",
    ]


def test_a_command_too_many_is_a_difference_also_at_the_very_end() -> None:
    difference = replay(
        Changed(lambda command: [command, Note("more")] if isinstance(command, HangUp) else [command]),
        steps_of(TALK),
        END,
    )

    assert difference is not None
    assert (difference.at, difference.n, difference.expected) == (2.5, 7, None)
    assert difference.got == Done(2.5, Note("more"))
    assert said(difference)[-2:] == [
        "2.500000           → both      hang up: 1000 the front has left",
        ">               (here)",
    ]


def test_a_timer_before_any_input_can_differ_too() -> None:
    difference = replay(Parrot(), [Step(1.0, None, [Send(Side.FRONT, TICK)])], END)

    assert said(difference)[0] == "the first difference is at 1.000000 s, before the first input:"


def test_the_same_command_at_another_time_is_a_difference() -> None:
    steps = [step._replace(at=1.25) if step.at == 1.3 else step for step in steps_of(TALK)]

    assert "time: 1.250000 expected, 1.300000 got" in said(replay(Parrot(), steps, END))


CALLING = SessionOptions(tools=(ToolSchema(name="weather"),), reconnect=None)


def with_a_call(*, arguments: str = "{}", at: float = 2.0, output: str = "sunny") -> list[Step]:
    """What a session does whose model calls a function: with these arguments, and this result."""
    events = (
        {"type": "response.created", "response": {"id": "resp_1", "conversation_id": "conv_1"}},
        {
            "type": "response.output_item.done",
            "response_id": "resp_1",
            "item": {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": arguments},
        },
        {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "conversation_id": "conv_1"}},
    )
    session = Session(CALLING)
    inputs: list[tuple[float, Input]] = [(0.0, Opened(Side.FRONT)), (0.0, Opened(Side.UPSTREAM))]
    inputs += [(1.0, Message(Side.UPSTREAM, Kind.TEXT, json.dumps(event).encode())) for event in events]
    inputs.append((at, ToolResult("call_1", output)))
    return [Step(time, given, session.step(time, given)) for time, given in inputs]


def test_no_function_is_run_but_its_recorded_result_is_told_again() -> None:
    steps = with_a_call(output="rain")
    (told,) = [
        command.raw
        for step in steps
        for command in step.commands
        if isinstance(command, Send) and b"rain" in command.raw
    ]

    assert b"function_call_output" in told
    assert replay(Session(CALLING), steps, 3.0) is None


def test_a_call_that_is_another_than_then_is_a_difference() -> None:
    now = with_a_call(arguments='{"city":"Ulm"}')
    bonn = RunTool("call_1", "weather", '{"city":"Bonn"}')
    then = [
        step._replace(commands=[bonn if isinstance(each, RunTool) else each for each in step.commands]) for step in now
    ]

    difference = replay(Session(CALLING), then, 3.0)

    assert difference is not None
    assert difference.expected == Done(1.0, bonn)
    assert difference.got == Done(1.0, RunTool("call_1", "weather", '{"city":"Ulm"}'))


def test_a_result_that_no_call_of_today_waits_for_is_a_difference() -> None:
    steps = with_a_call()

    difference = replay(Session(SessionOptions(reconnect=None)), steps, 3.0)

    assert difference is not None
    assert difference.expected == Done(1.0, RunTool("call_1", "weather", "{}"))


def sent(raw: bytes, kind: Kind = Kind.TEXT, side: Side = Side.UPSTREAM) -> Sequence[Step]:
    return [Step(0.0, Opened(Side.FRONT), [Send(side, raw, kind)])]


class Sends:
    """Sends the same frame after each input."""

    def __init__(self, raw: bytes, kind: Kind = Kind.TEXT, side: Side = Side.UPSTREAM) -> None:
        self._send = Send(side, raw, kind)

    def step(self, now: float, given: Input) -> Sequence[Command]:
        return [self._send]

    def advance(self, now: float) -> Sequence[tuple[float, Sequence[Command]]]:
        return []


def append(audio: bytes, more: str = "") -> bytes:
    return b'{"type":"input_audio_buffer.append","audio":"%b"%b}' % (encode_base64(audio), more.encode())


@pytest.mark.parametrize(
    ("expected", "got", "line"),
    [
        (append(b"abcdef"), append(b"abxdef"), "audio: 6 bytes; the same up to byte 2"),
        (append(b"abcdef"), append(b"abc"), "audio: 6 bytes expected, 3 got; the same up to byte 3"),
        (append(b"abcdef"), append(b"abcdef", ',"x":1'), "x: null expected, 1 got"),
        (append(b"abc")[:-6] + b'????"}', append(b"abc"), "audio: not the same base64 from character 0 on"),
        (b'{"a":{"b":[1,2]}}', b'{"a":{"b":[1,3]}}', "a.b[1]: 2 expected, 3 got"),
        (b'{"a":[1]}', b'{"a":[1,2]}', "a: [1] expected, [1,2] got"),
        (b'{"a":1}', b'{"a": 1}', "the same JSON, written differently from byte 5: b'1}', b' 1}'"),
        (b"[1]", b"{}", "the frame: [1] expected, {} got"),
        (b'{"a":"%b"}' % (b"x" * 100), b"?", f'the frame: {{"a":"{"x" * 59}…"}} expected, null got'),
    ],
)
def test_two_frames_are_told_apart_by_what_matters(expected: bytes, got: bytes, line: str) -> None:
    assert line in said(replay(Sends(got), sent(expected), END))


def test_audio_and_other_fields_may_both_differ() -> None:
    lines = said(replay(Sends(append(b"xbc", ',"x":1')), sent(append(b"abc")), END))

    assert "audio: 3 bytes; the same up to byte 0" in lines
    assert "x: null expected, 1 got" in lines


@pytest.mark.parametrize(
    "session", [Sends(b"{}", Kind.BINARY), Sends(b"{}", side=Side.FRONT), Sends(b"{ }"), Changed(lambda _: [FORWARD])]
)
def test_a_frame_to_another_side_of_another_kind_or_in_other_bytes_is_a_difference(session: Parrot | Sends) -> None:
    assert replay(session, sent(b"{}"), END) is not None


def test_secrets_that_the_recording_lacks_are_no_difference() -> None:
    secret = b'{"type":"session.update","session":{"authorization":"Bearer x"}}'

    assert replay(Sends(secret), sent(redact(secret)), END) is None
    assert replay(Sends(secret.replace(b"session.u", b"session.U")), sent(redact(secret)), END) is not None


def test_after_a_cut_the_last_inputs_missing_commands_are_no_difference_but_others_are() -> None:
    steps = steps_of(TALK)
    cut = [*steps[:-1], steps[-1]._replace(commands=[])]
    missing = [steps[0]._replace(commands=[]), *steps[1:]]

    assert replay(Parrot(), cut) is None
    assert replay(Parrot(), cut, END) is not None
    assert replay(Parrot(), missing) is not None
    assert replay(Parrot(tick=b"?"), steps[:6]) is not None


@given(
    raws=st.lists(
        st.binary(max_size=20) | st.sampled_from([b'{"type":"response.create"}', append(b"abcd")]), max_size=8
    ),
    managed=st.booleans(),
)
def test_the_session_itself_replays_whatever_it_was_told(raws: list[bytes], *, managed: bool) -> None:
    options = SessionOptions(mode="managed" if managed else "transparent")
    talk: Inputs = [
        (0.0, Opened(Side.FRONT)),
        (0.1, Opened(Side.UPSTREAM)),
        *((1 + index, Message(list(Side)[index % 2], Kind.TEXT, raw)) for index, raw in enumerate(raws)),
        (20.0, Closed(Side.FRONT)),
    ]
    session, steps = Session(options), []
    for at, came in talk:
        steps += [Step(due, None, commands) for due, commands in session.advance(at)]
        steps.append(Step(at, came, session.step(at, came)))

    assert replay(Session(options), steps, 20.0) is None


@pytest.mark.parametrize(
    ("raw", "kind", "shown"),
    [
        (b"abc", Kind.BINARY, "binary, 3 bytes"),
        (b"\xff\n", Kind.TEXT, "'\\xff\\n'"),
        (b"[1]", Kind.TEXT, "'[1]'"),
        (b'{"type":7}', Kind.TEXT, "'{\"type\":7}'"),
        (b'{"type":"x","event_id":"event_1"}', Kind.TEXT, "x"),
        (b'{"type":"x","a":["two\\nlines",{"b":1}]}', Kind.TEXT, 'x  {"a":["two⏎lines",{"b":1}]}'),
        (b'{"type":"x","a":"%b"}' % (b"y" * 200), Kind.TEXT, f'x  {{"a":"{"y" * 59}…"}}'),
        (b'{"type":"%b"}' % (b"y" * 200), Kind.TEXT, f"{'y' * 139}…"),
    ],
)
def test_a_frame_is_shown_in_one_line(raw: bytes, kind: Kind, shown: str) -> None:
    assert frame(raw, kind, Side.FRONT) == shown


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        (Came(1.5, Opened(Side.UPSTREAM, 2)), "1.500000  upstream →           opened, connection 2"),
        (Came(1.5, Closed(Side.UPSTREAM, 1, 1006)), "1.500000  upstream →           closed: 1006"),
        (Came(1.5, ToolResult("call_1", "42")), "1.500000  tool     →           result of call_1: 42"),
        (Came(1.5, ToolResult("call_1", "no", failed=True)), "1.500000  tool     →           failed of call_1: no"),
        (Came(1.5, Stop("bye", 2)), "1.500000  operator →           stop within 2 s: bye"),
        (Done(1.5, Connect(1)), "1.500000           → upstream  connect"),
        (Done(1.5, RunTool("call_1", "add", "{}")), "1.500000           → tool      run call_1: add({})"),
        (Done(1.5, CancelTool("call_1")), "1.500000           → tool      cancel call_1"),
    ],
)
def test_everything_else_is_shown_in_one_line_too(came: Came | Done, shown: str) -> None:
    assert entry(came).strip() == shown

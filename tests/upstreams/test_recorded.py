"""The recorded upstream, and the recorded front: what they say again, and when; and what they take for the same."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.commands import Connect, HangUp, RunTool, Send, Step
from realtime_engine.driving import Run
from realtime_engine.errors import RecordingError, Stalled
from realtime_engine.events import append_frame
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side, ToolResult
from realtime_engine.machine import Close, Connected, Disconnected, Done, Frame, Machine, MachineOutput
from realtime_engine.options import SessionOptions, ToolSchema
from realtime_engine.plugins import MachineUpstream, Wanted, is_machine
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.writer import ABOUT, EVENTS, create_recording
from realtime_engine.session import Session
from realtime_engine.show import Who
from realtime_engine.simulate import simulate
from realtime_engine.upstreams.local import Local, LocalOptions
from realtime_engine.upstreams.recorded import Recorded, RecordedOptions
from realtime_engine.upstreams.recorded.front import LINGER, REACTION, RecordedFront
from realtime_engine.upstreams.recorded.model import DIFFERS, PATIENCE, RecordedModel
from realtime_engine.upstreams.recorded.script import scripts
from realtime_engine.upstreams.recorded.tools import RecordedTools
from tests.cli.fake import engine
from tests.script import Script, created, done, session_created, speech, speech_started
from tests.transports.wav_script import Shown, samples_of
from transports.wav import Spoken, Turn, Typed, Wav, WavOptions

GOLDENS = Path(__file__).parents[2] / "recordings"
COMMANDS = [
    shlex.split(line)[1:] for line in (GOLDENS / "README.md").read_text("utf-8").splitlines() if "engine run" in line
]
"""The command lines of the golden recordings, as their README gives them, without the name of the program."""

Event = str | bytes | Mapping[str, Any]


def text(event: Event) -> bytes:
    """A frame's text: as it is, or of an event, or of one that is only a type."""
    if isinstance(event, bytes):
        return event
    return json.dumps({"type": event} if isinstance(event, str) else event).encode()


def audio(size: int) -> bytes:
    return append_frame(bytes(size))


def typed(words: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": words}]
    item = {"type": "message", "role": "user", "content": content, **more}
    return {"type": "conversation.item.create", "item": item}


def truncation(ms: int) -> dict[str, Any]:
    return {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": ms}


def output(call: str, result: str) -> dict[str, Any]:
    item = {"type": "function_call_output", "call_id": call, "output": result}
    return {"type": "conversation.item.create", "item": item}


# --- a recording, step by step --------------------------------------------------------------------------------

BEGIN = (Step(0.0, Opened(Side.FRONT), [Connect(1)]), Step(0.0, Opened(Side.UPSTREAM), []))


def sent(at: float, event: Event) -> Step:
    """The model was sent this."""
    return Step(at, None, [Send(Side.UPSTREAM, text(event))])


def said(at: float, event: Event) -> Step:
    """The model said this."""
    return Step(at, Message(Side.UPSTREAM, Kind.TEXT, text(event)), [])


def end(at: float) -> Step:
    """The front left."""
    return Step(at, Closed(Side.FRONT), [HangUp(1000, "the front has left")])


class Client:
    """Speaks to the model of a recording, and notes what it says, and when."""

    def __init__(self, *steps: Step, connected: float = 0.0) -> None:
        (script,) = scripts([*BEGIN, *steps])
        self.model = RecordedModel(script)
        self.heard: list[tuple[float, MachineOutput]] = []
        self._take(connected, self.model.step(connected, Connected()))

    def sends(self, at: float, *events: Event) -> "Client":
        self.until(at)
        for event in events:
            self._take(at, self.model.step(at, Frame(text(event))))
        return self.until(at)

    def until(self, at: float) -> "Client":
        while (due := self.model.deadline) <= at:
            self._take(due, self.model.advance(due))
        return self

    def _take(self, at: float, outputs: Sequence[MachineOutput]) -> None:
        self.heard += [(at, output) for output in outputs]

    @property
    def types(self) -> list[tuple[float, str]]:
        return [(at, json.loads(frame.raw)["type"]) for at, frame in self.heard if isinstance(frame, Frame)]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(frame.raw) for _, frame in self.heard if isinstance(frame, Frame)]

    @property
    def closed(self) -> str | None:
        """Why the model hung up; None: it did not."""
        for _, output in self.heard:
            if isinstance(output, Close):
                assert output == Close(DIFFERS, f"not as recorded: {self.model.difference}")
                return output.reason.removeprefix("not as recorded: ")
        return None


# --- what it says, and when -----------------------------------------------------------------------------------


def test_the_model_says_again_what_it_said_byte_for_byte_after_the_gaps_of_then() -> None:
    odd = b'{ "type" : "session.created", "later": "\\u00e9", "event_id" : "event_1" }'
    client = Client(said(0.25, odd), said(1.0, "rate_limits.updated"), end(2.0)).until(9.0)

    assert client.heard == [(0.25, Frame(odd)), (1.0, Frame(text("rate_limits.updated")))]


def test_the_gaps_count_from_when_the_connection_was_there() -> None:
    then = [Step(3.0, None, []), said(3.5, "session.created"), end(4.0)]

    assert Client(*then, connected=7.0).until(20.0).types == [(10.5, "session.created")]


def test_an_answer_waits_for_its_question_and_for_the_gap_that_followed_it() -> None:
    client = Client(sent(1.0, "response.create"), said(1.4, "response.created"), said(1.9, "response.done"), end(3.0))

    assert client.until(4.0).heard == []
    assert client.model.waits_for == "response.create, which was sent at 1.000 s then"
    client.sends(5.0, "response.create")
    assert client.model.waits_for == "5.400 s, to go on"
    assert client.until(9.0).types == [(5.4, "response.created"), (5.9, "response.done")]
    assert client.model.waits_for == "nothing: the recording is over"


def test_messages_that_came_together_come_together_again_whatever_was_answered_to_the_first() -> None:
    answered = Step(1.0, said(1.0, "a").input, [Send(Side.UPSTREAM, text("response.cancel"))])
    client = Client(answered, said(1.0, "b"), sent(1.0, "response.create"), said(1.0, "c"), end(2.0))

    assert client.until(1.0).types == [(1.0, "a"), (1.0, "b")]
    assert client.sends(1.0, "response.cancel", "response.create").types[2:] == [(1.0, "c")]


def test_waking_late_changes_no_gap() -> None:
    then = [said(1.0, "a"), sent(2.0, "response.create"), said(2.5, "b"), end(3.0)]
    client = Client(*then)

    assert client.model.step(4.0, Frame(text("response.create"))) == [Frame(text("a"))]
    assert client.until(9.0).types == [(4.5, "b")]


def test_an_early_question_is_answered_after_what_the_model_was_saying() -> None:
    then = [said(1.0, "session.created"), sent(1.5, "response.create"), said(1.7, "response.created"), end(3.0)]
    client = Client(*then).sends(0.1, "response.create").until(9.0)

    assert client.types == [(1.0, "session.created"), (1.2, "response.created")]


@given(st.lists(st.integers(1, 12_000), min_size=1))
def test_audio_is_counted_however_it_is_cut(sizes: list[int]) -> None:
    client = Client(sent(1.0, audio(8192)), sent(1.2, audio(8192)), said(1.5, "input_audio_buffer.speech_started"))
    at, total, complete = 2.0, 0, None
    for size in sizes:
        at, total = at + 1, total + size
        client.sends(at, audio(size))
        complete = at if complete is None and total >= 16_384 else complete
    client.until(at + 0.3)

    spoken = [when for when, kind in client.types if kind == "input_audio_buffer.speech_started"]
    assert spoken == ([] if complete is None else [pytest.approx(complete + 0.3)])
    if complete is None:
        assert client.model.waits_for == f"16384 bytes of audio, of which it has {total}"


def test_what_is_said_in_the_audio_does_not_count() -> None:
    client = Client(sent(1.0, append_frame(b"\1\2" * 50)), said(1.0, "input_audio_buffer.speech_started"), end(2.0))

    assert client.sends(1.0, append_frame(b"\3\4" * 50)).types == [(1.0, "input_audio_buffer.speech_started")]


def test_audio_that_goes_on_after_the_recording_is_no_difference() -> None:
    client = Client(sent(1.0, audio(100)), said(1.0, "input_audio_buffer.speech_started"), end(2.0))

    assert client.sends(1.0, audio(200)).sends(60.0, audio(9000)).until(99.0).closed is None


def test_a_connection_that_the_model_ended_ends_again() -> None:
    then = [said(1.0, "error"), Step(1.0, Closed(Side.UPSTREAM, 1, 4000, "expired"), []), end(2.0)]
    client = Client(*then).until(9.0)

    assert client.heard == [(1.0, Frame(text("error"))), (1.0, Close(4000, "expired"))]
    assert client.sends(9.0, "response.create").until(99.0).heard[2:] == []


def test_after_the_session_has_hung_up_the_model_is_silent() -> None:
    client = Client(said(1.0, "session.created"), end(2.0))
    client.model.step(0.5, Disconnected())

    assert client.until(9.0).heard == []


def test_the_end_of_a_recording_that_was_cut_off_is_said() -> None:
    client = Client(sent(1.0, "response.create"), said(1.5, "response.created")).sends(1.0, "response.create")

    assert client.until(9.0).heard == [
        (1.5, Frame(text("response.created"))),
        (1.5, Close(1011, "the recording ends here, before its conversation did")),
    ]


def test_a_recording_that_was_cut_off_after_the_model_had_left_ends_with_that() -> None:
    client = Client(Step(1.0, Closed(Side.UPSTREAM, 1, 1000, "bye"), []))

    assert client.until(9.0).heard == [(1.0, Close(1000, "bye"))]


def test_a_model_that_could_not_be_reached_is_not_reached_again_and_hears_nothing() -> None:
    refused = Step(0.5, Closed(Side.UPSTREAM, 1, 1011, "refused"), [HangUp(1011, "")])
    (script,) = scripts([BEGIN[0], refused])
    model = RecordedModel(script)
    model.step(2.0, Connected())

    assert model.step(2.0, Frame(text("session.update"))) == []
    assert model.advance(2.5) == [Close(1011, "refused")]


# --- what is the same -----------------------------------------------------------------------------------------


def test_neither_the_order_of_keys_nor_ids_of_events_make_a_difference() -> None:
    then = b'{"type":"session.update","event_id":"event_1","session":{"type":"realtime","model":"m"}}'
    for today in (
        b'{"event_id":"a","session":{"model":"m","type":"realtime"},"type":"session.update"}',
        b'{"session":{"model":"m", "type":"realtime"},"type":"session.update"}',
    ):
        client = Client(sent(0.0, then), said(0.1, "session.updated"), end(1.0)).sends(0.0, today).until(1.0)
        assert client.types == [(0.1, "session.updated")]


def test_ids_that_the_client_chose_are_those_of_today_in_what_the_model_says() -> None:
    then_item = typed("Hello", id="item_then")
    client = Client(
        sent(0.0, {**then_item, "event_id": "event_then"}),
        said(0.1, {"type": "conversation.item.added", "previous_item_id": None, "item": then_item["item"]}),
        said(0.2, b'{"type":"conversation.item.done","item": {"id" : "item_then"},"previous_item_id":"item_model"}'),
        said(0.3, {"type": "error", "error": {"event_id": "event_then", "message": 'no "id":"item_then"'}}),
        sent(1.0, {"type": "conversation.item.delete", "item_id": "item_then"}),
        said(1.1, {"type": "conversation.item.deleted", "item_id": "item_then"}),
        end(2.0),
    )
    client.sends(0.0, {**typed("Hello", id='item "now"'), "event_id": "event_now"})
    client.sends(1.0, {"type": "conversation.item.delete", "item_id": 'item "now"'}).until(2.0)

    added, item_done, error, deleted = client.events
    assert added["item"]["id"] == item_done["item"]["id"] == deleted["item_id"] == 'item "now"'
    assert item_done["previous_item_id"] == "item_model"
    assert error == {"type": "error", "error": {"event_id": "event_now", "message": 'no "id":"item_then"'}}
    assert client.heard[1][1] == Frame(
        b'{"type":"conversation.item.done","item": {"id" : "item \\"now\\""},"previous_item_id":"item_model"}'
    )


def test_the_ids_of_calls_that_a_client_tells_of_are_its_own_choice() -> None:
    def call(call_id: str) -> dict[str, Any]:
        item = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": call_id}
        return {"type": "conversation.item.create", "item": item}

    client = Client(sent(0.0, call("a")), sent(0.0, output("a", "1")), said(0.5, output("a", "1")), end(1.0))

    assert client.sends(0.0, call("b"), output("b", "1")).until(1.0).events == [output("b", "1")]


def test_a_binary_frame_of_the_model_is_said_again_untouched() -> None:
    binary = Step(0.5, Message(Side.UPSTREAM, Kind.BINARY, b'"id":"a"'), [])
    client = Client(sent(0.0, typed("Hello", id="a")), binary, end(1.0)).sends(0.0, typed("Hello", id="b"))

    assert client.until(1.0).heard == [(0.5, Frame(b'"id":"a"', Kind.BINARY))]


@pytest.mark.parametrize(("today", "same"), [(1500, True), (1250, True), (1750, True), (1249, False), (1751, False)])
def test_a_truncation_may_differ_by_what_a_late_report_would_change(today: int, same: bool) -> None:
    client = Client(sent(1.0, truncation(1500)), end(2.0)).sends(1.0, truncation(today))

    expected = (
        f"conversation.item.truncate at 1.000 s differs from its nearest match, sent at 1.000 s then: "
        f"audio_end_ms was 1500, is {today}"
    )
    assert client.closed == (None if same else expected)


def test_audio_in_an_item_is_compared_by_its_amount() -> None:
    def spoken(audio: str) -> dict[str, Any]:
        content = [{"type": "input_audio", "audio": audio}]
        return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}

    def difference(audio: str) -> str | None:
        return Client(sent(0.0, spoken("AAAA")), end(1.0)).sends(0.0, spoken(audio)).closed

    assert difference("BBBB") is None
    assert difference("AAAAAAAA") is not None


def test_secrets_that_were_taken_out_of_a_recording_make_no_difference() -> None:
    def update(key: str) -> dict[str, Any]:
        return {"type": "session.update", "session": {"tools": [{"type": "mcp", "authorization": key}]}}

    assert Client(sent(0.0, update("[redacted]")), end(1.0)).sends(0.0, update("secret")).closed is None


def test_events_of_different_types_may_change_places() -> None:
    cancel = "response.cancel"
    client = Client(sent(1.0, truncation(500)), sent(1.0, cancel), said(1.2, "response.done"), end(2.0))

    assert client.sends(1.0, cancel).sends(3.0, truncation(500)).until(9.0).types == [(3.2, "response.done")]


def test_results_of_calls_may_come_in_another_order() -> None:
    client = Client(sent(1.0, output("a", "1")), sent(1.1, output("b", "2")), said(1.2, "response.created"), end(2.0))

    assert client.sends(1.0, output("b", "2"), output("a", "1")).until(2.0).types == [(1.1, "response.created")]


def test_the_same_events_are_taken_in_their_order() -> None:
    ask = "response.create"
    client = Client(sent(1.0, ask), said(1.5, "response.done"), sent(2.0, ask), said(2.1, "response.done"), end(3.0))

    client.sends(1.0, ask).sends(4.0, ask).until(9.0)

    assert client.types == [(1.5, "response.done"), (4.1, "response.done")]


# --- what is not ----------------------------------------------------------------------------------------------


def test_the_first_difference_is_named_with_its_nearest_match() -> None:
    two = typed("Two", id="item_2", status="completed")
    client = Client(sent(1.0, typed("One")), sent(2.0, two), sent(2.5, typed("Four")), end(3.0))
    client.sends(1.5, typed("Three", id="item_9", status="completed"))

    assert client.closed == (
        "conversation.item.create at 1.500 s differs from its nearest match, sent at 2.000 s then: "
        'item.content[0].text was "Two", is "Three"'
    )


def test_what_is_missing_and_what_is_new_is_said_and_long_values_are_cut() -> None:
    then = {"type": "session.update", "session": {"instructions": "a" * 100, "tools": [1, 2]}}
    today = {"type": "session.update", "session": {"tools": [1], "voice": "cedar"}}

    assert Client(sent(0.0, then), end(1.0)).sends(0.5, today).closed == (
        "session.update at 0.500 s differs from its nearest match, sent at 0.000 s then: session.instructions was "
        f'"{"a" * 59}…, is nothing, and 2 more'
    )


def test_an_id_of_the_model_cannot_be_another() -> None:
    client = Client(sent(1.0, output("call_model", "1")), end(2.0)).sends(1.0, output("call_other", "1"))

    assert client.closed is not None
    assert client.closed.endswith('item.call_id was "call_model", is "call_other"')


def test_an_id_that_the_client_chose_stays_the_same_thing() -> None:
    delete = {"type": "conversation.item.delete", "item_id": "a"}
    client = Client(sent(0.0, typed("Hello", id="a")), sent(1.0, delete), end(2.0))
    client.sends(0.0, typed("Hello", id="b")).sends(1.0, delete)

    assert client.closed is not None
    assert client.closed.endswith('item_id was "a", is "a"')


def test_an_event_that_was_never_sent_is_named_with_what_was_next() -> None:
    client = Client(sent(1.0, "response.create"), end(2.0)).sends(0.5, "response.cancel")

    assert client.closed == "response.cancel at 0.500 s was not sent then; next was response.create, at 1.000 s"


def test_an_event_after_all_that_was_sent_is_a_difference() -> None:
    client = Client(sent(1.0, "response.create"), end(2.0)).sends(1.0, "response.create").sends(9.0, "response.create")

    assert client.closed == "response.create at 9.000 s was not sent then; nothing more was"
    assert client.sends(10.0, "response.create").model.deadline == float("inf")


def test_a_turn_that_lost_its_end_is_a_difference() -> None:
    commit = "input_audio_buffer.commit"
    then = [sent(1.0, audio(9000)), sent(1.0, commit), end(2.0)]

    assert Client(*then).sends(1.0, audio(8192), audio(808), commit).closed is None
    assert Client(*then).sends(1.0, audio(8192), commit).closed == (
        f"{commit} at 1.000 s differs from its nearest match, sent at 1.000 s then: "
        "the size of the audio before it was 9000, is 8192"
    )


def test_audio_is_counted_anew_after_each_turn() -> None:
    clear, commit = "input_audio_buffer.clear", "input_audio_buffer.commit"
    then = [sent(0.0, audio(900)), sent(0.0, clear), sent(1.0, audio(100)), sent(1.0, commit), said(1.0, "a"), end(2.0)]

    client = Client(*then).sends(0.0, audio(500), clear).sends(1.0, audio(100), commit)

    assert client.types == [(1.0, "a")]


@pytest.mark.parametrize("later", ["response.create", audio(200)])
def test_what_is_overtaken_and_does_not_follow_is_named(later: Event) -> None:
    then = [sent(1.0, audio(100)), sent(1.0, "response.cancel"), sent(2.0, later), said(2.5, "response.done"), end(3.0)]
    client = Client(*then).sends(0.5, later).sends(2.0, audio(2)).until(99.0)

    assert client.heard[-1][0] == 0.5 + PATIENCE
    assert client.closed == "response.cancel, sent at 1.000 s then, has not come within 5 s of its time"


def test_what_is_not_sent_is_named_when_its_gap_and_some_patience_have_passed() -> None:
    ask = "response.create"
    client = Client(said(1.0, "a"), sent(3.0, ask), said(3.1, "b"), sent(4.0, ask), said(4.5, "c"), end(5.0))

    client.sends(2.0, ask).until(99.0)

    assert client.types == [(1.0, "a"), (2.1, "b")]
    assert client.heard[-1][0] == pytest.approx(2.1 + 0.9 + PATIENCE)
    assert client.closed == "response.create, sent at 4.000 s then, has not come within 5 s of its time"


def test_a_session_that_is_not_set_as_it_was_is_named_with_what_mends_it() -> None:
    update = {"type": "session.update", "session": {"type": "realtime", "tools": []}}
    client = Client(sent(0.0, update), said(0.0, "session.created"), end(1.0)).until(99.0)

    assert client.heard[-1][0] == PATIENCE
    assert client.closed == (
        "session.update, sent at 0.000 s then, has not come within 5 s of its time: "
        "begin with the session and the tools of then (--session, --tools, …)"
    )


def test_after_its_last_words_the_model_waits_for_nothing() -> None:
    client = Client(said(0.5, "a"), sent(1.0, "response.create"), end(2.0)).until(60.0)

    assert client.sends(60.0, "response.create").until(99.0).closed is None


def test_audio_may_take_its_time() -> None:
    commit = "input_audio_buffer.commit"
    then = [sent(1.0, audio(100)), sent(1.0, commit), said(1.5, "a"), end(2.0)]
    client = Client(*then).sends(60.0, audio(50)).sends(120.0, audio(50))

    assert client.closed is None
    assert client.sends(121.0, commit).until(122.0).types == [(121.5, "a")]


def test_what_is_overtaken_may_follow() -> None:
    then = [sent(1.0, typed("a")), sent(2.0, "response.create"), sent(3.0, truncation(9)), end(4.0)]
    client = Client(*then).sends(2.0, "response.create").sends(6.5, typed("a")).sends(99.0, truncation(9))

    assert client.until(200.0).closed is None


def test_nothing_is_overtaken_before_the_model_has_said_what_led_to_it() -> None:
    then = [said(30.0, "response.done"), sent(30.0, "response.cancel"), sent(30.0, audio(100)), end(31.0)]
    client = Client(*then).sends(1.0, audio(100)).until(32.0).sends(34.0, "response.cancel")

    assert client.until(99.0).closed is None


def test_patience_begins_when_the_model_has_said_what_leads_to_it() -> None:
    then = [said(30.0, "response.done"), sent(30.0, "response.cancel"), sent(30.0, audio(100)), end(31.0)]

    assert Client(*then).sends(1.0, audio(100)).until(99.0).heard[-1][0] == 30.0 + PATIENCE


@pytest.mark.parametrize(
    ("raw", "kind", "name"),
    [
        (b"\xff{", Kind.TEXT, "a text that is no JSON"),
        (b"[1]", Kind.TEXT, "an event without a type"),
        (b'{"id":"x","type":[]}', Kind.TEXT, "an event without a type"),
        (b'{"type":5}', Kind.TEXT, "an event without a type"),
        (b'{"type":"input_audio_buffer.append","audio":5}', Kind.TEXT, "input_audio_buffer.append"),
        (b"\0\0", Kind.BINARY, "a binary frame"),
    ],
)
def test_what_is_no_event_is_compared_too(raw: bytes, kind: Kind, name: str) -> None:
    then = Step(0.0, None, [Send(Side.UPSTREAM, raw, kind)])
    twice = Client(then, said(0.5, "error"), end(1.0))
    once = Client(end(1.0))
    for client in (twice, once):
        client.heard += [(0.0, output) for output in client.model.step(0.0, Frame(raw, kind))]

    assert twice.until(1.0).types == [(0.5, "error")]
    assert once.closed == f"{name} at 0.000 s was not sent then; nothing more was"


# --- the recorded front ---------------------------------------------------------------------------------------


def front_says(at: float, event: Event) -> Step:
    return Step(at, Message(Side.FRONT, Kind.TEXT, text(event)), [])


def front_is_told(at: float, event: Event) -> Step:
    return Step(at, None, [Send(Side.FRONT, text(event))])


def test_the_front_says_again_what_it_said_at_the_times_of_then_and_leaves() -> None:
    front = RecordedFront(
        [
            *BEGIN,
            Step(0.5, Message(Side.FRONT, Kind.BINARY, b"\0\0"), []),
            front_says(0.75, "response.create"),
            Step(2.0, Closed(Side.FRONT, 1, 1001, "bye"), []),
            Step(2.0, Closed(Side.UPSTREAM), []),
        ]
    )
    front.step(0.0, Connected())

    assert front.waits_for == "0.500 s, to go on"
    assert front.advance(0.5) == [Frame(b"\0\0", Kind.BINARY)]
    assert front.advance(0.6) == []
    assert front.advance(2.0) == [Frame(text("response.create")), Close(1001, "bye")]
    assert front.waits_for == "the end"


def test_a_front_that_did_not_leave_stays_a_while_and_then_leaves() -> None:
    front = RecordedFront([*BEGIN, Step(3.0, None, [HangUp(1000, "over")])])
    front.step(0.0, Connected())
    front.step(0.0, Done(1))

    assert front.deadline == 3.0 + LINGER
    assert front.advance(front.deadline) == [Close(1000, "the recording is over")]


def test_an_answer_at_once_waits_for_what_it_answers_but_not_for_long() -> None:
    steps = [*BEGIN, front_is_told(1.0, "a"), front_says(1.0, "b"), front_says(3.0, "c"), end(4.0)]
    told, not_told = RecordedFront(steps), RecordedFront(steps)
    for front in (told, not_told):
        front.step(0.0, Connected())
        assert front.deadline == 1.0 + REACTION
    told.step(1.0, Frame(text("a")))

    assert told.advance(1.0) == [Frame(text("b"))]
    assert not_told.advance(1.0) == []
    assert not_told.advance(1.0 + REACTION) == [Frame(text("b"))]
    assert told.deadline == not_told.deadline == 3.0


def test_a_front_that_is_hung_up_on_says_nothing_more() -> None:
    front = RecordedFront([*BEGIN, front_says(1.0, "response.create")])
    front.step(0.0, Connected())
    front.step(0.5, Disconnected())

    assert front.deadline == float("inf")
    assert front.advance(9.0) == []


def test_a_front_names_things_as_they_are_called_now() -> None:
    front = RecordedFront(
        [
            *BEGIN,
            front_is_told(1.0, {"type": "response.created", "event_id": "e1", "response": {"id": "resp_then"}}),
            front_is_told(1.0, {"type": "response.output_audio.delta", "item_id": "item_then"}),
            front_is_told(1.0, {"type": "conversation.item.added", "item": {"id": "item_then", "type": "message"}}),
            front_is_told(1.0, {"type": "session.updated", "session": {"id": "sess_then"}}),
            front_is_told(1.0, b"no event"),
            front_is_told(1.0, {"type": "response.done", "response": {"id": "resp_same"}}),
            front_says(2.0, {"type": "output_audio_buffer.played", "item_id": "item_then"}),
            front_says(2.0, {"type": "response.cancel", "response_id": "resp_then"}),
            front_says(2.0, {"type": "response.cancel", "response_id": "resp_same"}),
            end(3.0),
        ]
    )
    front.step(0.0, Connected())
    for event in (
        {"type": "response.created", "event_id": "e1", "response": {"id": "resp_now"}},
        {"type": "response.output_audio.delta", "item_id": "item_other"},
        {"type": "conversation.item.added", "previous_item_id": "item_0", "item": {"id": "item_now"}},
        {"type": "conversation.item.added", "item": {"id": "item_2"}},
        {"type": "session.updated", "session": {"id": "sess_now"}},
        {"type": "response.done", "response": {"id": "resp_same"}},
        b"no event",
    ):
        front.step(1.0, Frame(text(event)))
    front.step(1.0, Frame(b"\0\0", Kind.BINARY))

    said_now = [json.loads(frame.raw) for frame in front.advance(2.0) if isinstance(frame, Frame)]

    assert [event.get("item_id") or event["response_id"] for event in said_now] == [
        "item_then",  # its event told of another id first: what it corresponds to is not known
        "resp_now",
        "resp_same",
    ]


def test_each_call_has_the_result_that_it_had() -> None:
    calls = [RunTool("call_1", "add", '{"a":1}'), RunTool("call_2", "add", "{}")]
    result = ToolResult("call_1", "12")
    tools = RecordedTools([ToolSchema(name="add")], [*BEGIN, Step(0.5, None, calls), Step(1.0, result, []), end(2.0)])

    def output(call: RunTool) -> str:
        given = tools.run(call)
        assert given.failed
        return given.output

    assert tools.schemas == (ToolSchema(name="add"),)
    assert tools.anew().run(calls[0]) == result
    assert output(calls[1]) == "not as recorded: add returned nothing in the recording"
    assert output(RunTool("call_3", "add", "{}")) == "not as recorded: add was not called in the recording"
    assert output(RunTool("call_1", "sub", "{}")) == 'not as recorded: sub({}) was add({"a":1}) in the recording'
    assert output(RunTool("call_1", "add", "{}")) == 'not as recorded: add({}) was add({"a":1}) in the recording'


# --- a folder -------------------------------------------------------------------------------------------------


def record(root: Path, options: SessionOptions, front: Machine, upstream: Machine) -> Path:
    """Hold a conversation on the virtual clock, and record it."""
    with create_recording(root, options, front="test", upstream="test", warn=pytest.fail) as recorder:
        run = simulate(Session(options), front=front, connect=lambda: upstream, record=recorder.record)
        recorder.end(run.at, run.reason)
    return recorder.folder


def a_short_talk(root: Path) -> Path:
    upstream = Script().on("connected", session_created()).on("response.create", created(), speech(1.0), done())
    front = Script().at(0.5, typed("Hello"), "response.create").at(3.0, Close())
    return record(root, SessionOptions(), front, upstream)


def test_the_upstream_is_found_by_its_name_and_is_a_machine(tmp_path: Path) -> None:
    assert find(UPSTREAMS, "recorded") is Recorded
    upstream: MachineUpstream = Recorded(RecordedOptions(a_short_talk(tmp_path)))
    assert is_machine(upstream)


def test_a_recording_answers_another_front(tmp_path: Path) -> None:
    upstream = Recorded(RecordedOptions(a_short_talk(tmp_path)))
    front = Script().at(5.0, typed("Hello"), "response.create").at(9.0, Close())

    run = simulate(Session(SessionOptions()), front=front, connect=upstream.connect)

    assert run == (9.0, 1000, "the front has left")
    assert [(heard.at, heard.type) for heard in front.heard] == [
        (0.0, "engine.session"),
        (0.0, "session.created"),
        (5.0, "response.created"),
        (5.0, "output_audio_buffer.started"),
        (5.0, "response.output_audio.delta"),
        (5.0, "response.done"),
        (6.0, "output_audio_buffer.stopped"),
    ]


def test_a_front_is_told_how_it_differs_and_the_conversation_fails(tmp_path: Path) -> None:
    upstream = Recorded(RecordedOptions(a_short_talk(tmp_path)))
    front = Script().at(1.0, typed("Goodbye"))

    run = simulate(Session(SessionOptions()), front=front, connect=upstream.connect)

    assert run.code == 1011
    assert 'item.content[0].text was "Hello", is "Goodbye"' in run.reason
    assert front.all("error")[0]["error"]["message"] == run.reason


def test_a_front_that_never_asks_is_told_what_is_missing(tmp_path: Path) -> None:
    upstream = Recorded(RecordedOptions(a_short_talk(tmp_path)))

    run = simulate(Session(SessionOptions()), front=Script().at(1.0, typed("Hello")), connect=upstream.connect)

    assert run.code == 1011
    assert "not as recorded: response.create, sent at 0.500 s then, has not come within 5 s" in run.reason


def test_a_front_that_never_speaks_stalls_with_how_much_audio_is_missing(tmp_path: Path) -> None:
    upstream = Script().on("connected", session_created()).at(2.0, speech_started())
    folder = record(tmp_path, SessionOptions(), Script().at(0.5, bytes(9600)).at(3.0, Close()), upstream)

    with pytest.raises(Stalled, match=r"upstream waits for 9600 bytes of audio, of which it has 0"):
        simulate(Session(SessionOptions()), front=Script(), connect=Recorded(RecordedOptions(folder)).connect)


def test_each_connection_is_the_next_of_the_recording_and_after_the_last_none_is_left(tmp_path: Path) -> None:
    folder = a_short_talk(tmp_path)
    lines = (folder / EVENTS).read_text("utf-8").splitlines()
    count = lines[-1].split(",")[0].removeprefix('{"n":')
    (folder / EVENTS).write_text(
        "\n".join(
            [
                *lines[:-2],
                f'{{"n":{count},"at":3.0,"to":"upstream","connect":2}}',
                f'{{"n":{int(count) + 1},"at":3.0,"from":"upstream","opened":2}}',
                f'{{"n":{int(count) + 2},"at":3.5,"from":"upstream","event":{{"type":"session.created"}}}}',
                "",
            ]
        )
    )
    upstream = Recorded(RecordedOptions(folder))

    connections = [upstream.connect(Wanted(model)) for model in (None, "any", "another")]
    said_first = []
    for connection in connections:
        connection.step(0.0, Connected())
        said_first.append(connection.advance(0.5))

    assert isinstance(said_first[0][0], Frame)
    assert said_first[1] == [
        Frame(b'{"type":"session.created"}'),
        Close(1011, "the recording ends here, before its conversation did"),
    ]
    assert said_first[2] == [Close(1011, "the recording has no connection 3 to a model")]

    again = upstream.anew().connect()
    again.step(0.0, Connected())
    assert again.advance(0.5) == said_first[0]


def test_a_recording_that_is_not_there_or_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    folder = a_short_talk(tmp_path)
    with pytest.raises(RecordingError, match="is no recording"):
        Recorded(RecordedOptions(tmp_path / "nothing"))

    events, about = (folder / EVENTS).read_bytes(), (folder / ABOUT).read_bytes()
    (folder / ABOUT).write_bytes(about.replace(b'"version": 1', b'"version": 9'))
    with pytest.raises(RecordingError, match="version 9"):
        Recorded(RecordedOptions(folder))

    (folder / ABOUT).write_bytes(about)
    (folder / EVENTS).write_bytes(events.replace(b"\n", b"\n{\n", 3))
    with pytest.raises(RecordingError, match=r"line 2 of events\.jsonl"):
        Recorded(RecordedOptions(folder))


# --- a person at a WAV front ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("text-turn", Typed("Good morning! How are you?")),
        ("tool-call", Typed("What is the weather in Lisbon?")),
        ("spoken-turn", Spoken(GOLDENS / "spoken-turn" / "front.flac")),
        ("barge-in", Spoken(GOLDENS / "barge-in" / "front.flac")),
    ],
)
def test_a_golden_recording_answers_a_wav_front(name: str, turn: Turn, tmp_path: Path) -> None:
    with Recording(GOLDENS / name) as recording:
        options, then = recording.about.options, list(recording.steps())
    upstream, wav = Recorded(RecordedOptions(GOLDENS / name)), Wav(WavOptions(turns=(turn,), output=tmp_path / "a.wav"))
    shown, now = Shown(), list[Step]()

    with wav.open(options, shown) as front:
        simulate(
            Session(options),
            front=front,
            connect=upstream.connect,
            run_tool=RecordedTools((), then).run,
            record=now.append,
        )

    assert shown.of(Who.MODEL)
    assert samples_of(tmp_path / "a.wav").any()
    assert from_model(now) == from_model(then)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[command.index("--upstream") + 1])
def test_the_command_line_of_each_golden_recording_has_it_answer(
    command: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = command[command.index("--upstream") + 1].removeprefix("recorded:recordings/")
    monkeypatch.chdir(GOLDENS.parent)

    status = engine(*command, "--record", tmp_path)

    (folder,) = tmp_path.iterdir()
    with Recording(folder) as anew, Recording(GOLDENS / name) as golden:
        now, then = from_model(list(anew.steps())), from_model(list(golden.steps()))
        if golden.about.options.mode == "transparent":  # a client cuts its audio as it likes, and so is answered then
            now, then = [(0.0, raw) for _, raw in now], [(0.0, raw) for _, raw in then]
    assert now == then
    assert status == (3 if name == "failure" else 0)


def test_every_golden_recording_has_its_command_line() -> None:
    named = {command[command.index("--upstream") + 1] for command in COMMANDS}

    assert named == {f"recorded:recordings/{about.parent.name}" for about in GOLDENS.glob(f"*/{ABOUT}")}


@pytest.mark.parametrize("speed", ["max", "realtime"])
def test_without_functions_of_today_what_they_returned_then_counts(
    speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = f"recorded:{GOLDENS / 'tool-call'}"

    assert engine("run", "--text", "What is the weather in Lisbon?", "--upstream", upstream, "--speed", speed) == 0

    said = [line.split(maxsplit=2)[2] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "you    What is the weather in Lisbon?",
        'tool   weather({"city":"Lisbon"})',
        "tool   → In Lisbon it is sunny, 22 degrees.",
        "model  In Lisbon it is sunny, 22 degrees.",
    ]


def test_a_function_of_today_that_returns_something_else_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rain.py").write_text(
        'def weather(city: str) -> str:\n    """Say what the weather is like in a city."""\n    return "rain"\n'
    )
    flags = ("--upstream", f"recorded:{GOLDENS / 'tool-call'}", "--tools", tmp_path / "rain.py", "--speed", "max")

    assert engine("run", "--text", "What is the weather in Lisbon?", *flags) == 3
    assert 'item.output was "In Lisbon it is sunny, 22 degrees.", is "rain"' in capsys.readouterr().err


def test_without_the_session_of_then_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    upstream = f"recorded:{GOLDENS / 'barge-in'}"

    assert engine("run", "--text", "Hello", "--upstream", upstream, "--speed", "max") == 3

    told = capsys.readouterr().err
    assert "not as recorded: session.update, sent at 0.000 s then, has not come" in told
    assert "--session, --tools, …" in told


def test_a_recorded_front_speaks_to_another_model() -> None:
    session = Session(SessionOptions())
    with Recording(GOLDENS / "spoken-turn") as recording:
        front = RecordedFront(recording.steps())
        run = simulate(session, front=front, connect=Local(LocalOptions(speech="tones")).connect)

    assert run.reason == "the front has left"
    assert "of your speech" in " ".join(entry.words for entry in session.conversation)


def from_model(steps: Sequence[Step]) -> list[tuple[float, bytes]]:
    messages = [(step.at, step.input) for step in steps if isinstance(step.input, Message)]
    return [(at, message.raw) for at, message in messages if message.side is Side.UPSTREAM]


# --- both -----------------------------------------------------------------------------------------------------


def again(steps: Sequence[Step], options: SessionOptions) -> tuple[Run, list[Step]]:
    """Hold a conversation again: the recorded front and the recorded model, on the virtual clock."""
    anew: list[Step] = []
    models = iter(scripts(steps))
    run = simulate(
        Session(options),
        front=RecordedFront(steps),
        connect=lambda: RecordedModel(next(models)),
        run_tool=RecordedTools((), steps).run,
        record=anew.append,
    )
    return run, anew


TIMES = st.integers(1, 40).map(lambda tenths: tenths / 10)
FRONT_SAYS = st.one_of(
    st.integers(1, 9000).map(lambda size: bytes(2 * size)),
    st.sampled_from(
        [
            typed("Hello", id="item_f"),
            typed("Goodbye"),
            "response.create",
            "input_audio_buffer.stopped",
            "input_audio_buffer.commit",
            "output_audio_buffer.clear",
            {"type": "output_audio_buffer.played", "item_id": "item_1", "content_index": 0, "audio_ms": 300},
        ]
    ),
)
CALL = {"type": "function_call", "id": "item_c", "name": "f", "call_id": "call_1", "arguments": "{}"}
MODEL_SAYS = st.sampled_from(
    [
        created(),
        speech(0.7),
        done(),
        speech_started(),
        created("resp_2", None),
        {"type": "response.output_item.done", "response_id": "resp_1", "item": CALL},
        "a.new.event",
    ]
)


@given(
    st.lists(st.tuples(TIMES, FRONT_SAYS), max_size=12),
    st.lists(st.tuples(TIMES, MODEL_SAYS), max_size=12),
    st.booleans(),
    st.sampled_from([None, 0.2]),
)
def test_a_conversation_from_a_recording_is_the_same_step_for_step(
    front_says: list[tuple[float, Any]], model_says: list[tuple[float, Any]], reports: bool, lead: float | None
) -> None:
    options = SessionOptions(reports=reports, lead=lead, tools=(ToolSchema(name="f"),))
    report = {"type": "output_audio_buffer.played", "item_id": "item_1", "content_index": 0, "audio_ms": 100}
    front = Script().at(5.0, Close()).on("session.created", typed("Hi"), "response.create")
    front.on("output_audio_buffer.cleared", lambda event: [{**report, "cleared_event_id": event["event_id"]}])
    upstream = Script().on("connected", session_created()).on("response.create", created(), speech(0.3), done())
    for at, event in front_says:
        front.at(at, event)
    for at, event in model_says:
        upstream.at(at, event)
    steps: list[Step] = []
    run = simulate(
        Session(options),
        front=front,
        connect=lambda: upstream,
        run_tool=lambda call: ToolResult(call.call_id, "1"),
        record=steps.append,
    )

    assert again(steps, options) == (run, steps)


def test_a_conversation_from_a_folder_is_the_same_step_for_step(tmp_path: Path) -> None:
    folder = a_short_talk(tmp_path)
    with Recording(folder) as recording:
        steps = list(recording.steps())
        anew: list[Step] = []
        simulate(
            Session(recording.about.options),
            front=RecordedFront(recording.steps()),
            connect=Recorded(RecordedOptions(folder)).connect,
            record=anew.append,
        )

    assert [(step.at, step.input, len(step.commands)) for step in anew] == [
        (step.at, step.input, len(step.commands)) for step in steps
    ]

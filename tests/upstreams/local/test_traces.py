"""The embedded model beside the hosted one: the client's side of a recorded session, and the same order of events.

What is expected is read from the recordings: the type of every event the server sent, and the type, role and status
of what it is about. Runs of deltas count as one; transcriptions may fall anywhere, so they are left out, and so are
rate limits where the recording has none (they come by a timer, and two recordings of one situation differ in that).
"""

import json
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, Final

import pytest

from realtime_engine.upstreams.local.script import parse
from tests.upstreams.local.harness import SILENCE, Client, Hears, Said

TRACES: Final = Path(__file__).parents[2] / "traces"
HEARD: Final = ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped")
BY_TIMER: Final = ("rate_limits.updated", "input_audio_buffer.timeout_triggered")

SCRIPT: Final = """
[[reply]]
text = "naannan"
call = { name = "get_weather", arguments = { city = "London" } }

[[reply]]
after = "get_weather"
say = "{output}"

[[reply]]
text = "an nna anana"
fail = { code = "input_image_safety_violation", message = "No.", type = "invalid_request_error" }
"""


def lines(name: str) -> list[dict[str, Any]]:
    """A recording."""
    return [json.loads(line) for line in (TRACES / name).read_text("utf-8").splitlines()]


DELTAS: Final[Said] = {"type": "deltas"}
Shape = tuple[object, ...]


def shape(event: Said) -> Shape:
    """What of an event must be the same."""
    item, response, part = event.get("item", {}), event.get("response", {}), event.get("part", {})
    offsets = (event.get("audio_start_ms"), event.get("audio_end_ms")) if event["type"] in HEARD else ()
    return (
        event["type"],
        *(item.get("type"), item.get("role"), item.get("status")),
        *(response.get("status"), (response.get("status_details") or {}).get("reason"), part.get("type")),
        tuple(part["type"] for part in item.get("content", ())),
        offsets,
    )


def collapsed(events: Sequence[Said], without: Sequence[str]) -> list[Said]:
    """Events without what may fall anywhere, and one delta for a run of deltas."""
    kept: list[Said] = []
    for event in events:
        if "input_audio_transcription" in event["type"] or event["type"] in without:
            continue
        if not event["type"].endswith(".delta"):
            kept.append(event)
        elif kept[-1:] != [DELTAS]:
            kept.append(DELTAS)
    return kept


class Recorded:
    """The client of a recording, talking to the embedded model instead."""

    def __init__(self, name: str) -> None:
        self.lines = [line for line in lines(name) if line["dir"] in ("send", "recv")]
        limited = any(line["event"]["type"] == "rate_limits.updated" for line in self.lines)
        self.without = () if limited else ("rate_limits.updated",)
        self.expected = collapsed([line["event"] for line in self.lines if line["dir"] == "recv"], self.without)
        self.client = Client(detector=lambda: Hears(*self.spans()), reply=parse(SCRIPT, "script", _no_sound))
        self.waiting: list[Said] = []
        self.frames = 0
        if self.expected[0]["type"] != "session.created":
            self.client.forget()

    def spans(self) -> Iterator[tuple[int, int]]:
        """The frames in which the recorded user spoke, from what the server said of them."""
        silence, first = 200, 0
        for event in self.expected:
            match event:
                case {"type": "session.updated", "session": session}:
                    silence = session["audio"]["input"]["turn_detection"]["silence_duration_ms"]
                case {"audio_start_ms": start, "type": "input_audio_buffer.speech_started"}:
                    first = (start + 300) // 32
                case {"audio_end_ms": end, "type": "input_audio_buffer.speech_stopped"}:
                    yield first, end // 32 - -(-silence // 32)

    def said(self) -> list[Said]:
        """What the embedded model has said so far."""
        return collapsed(self.client.events, self.without)

    def play(self) -> list[Said]:
        """Say what the client said, each thing no sooner than needed, until as much was answered as then."""
        received: list[Said] = []
        for line in self.lines:
            if line["dir"] == "send":
                self.waiting.append(line["event"])
                continue
            received.append(line["event"])
            expected = collapsed(received, self.without)
            while len(self.said()) < len(expected):
                self.go_on(expected[-1])
        return self.said()

    def go_on(self, expected: Said) -> None:
        """Do what leads to what is expected next: speak, say what is to be said, or wait."""
        if expected["type"] in HEARD:  # the recorded client had sent its audio ahead of all that is waiting
            self.frames += 1
            assert self.frames < 1000, f"no {expected['type']} will ever come"
            self.client.append(SILENCE)
        elif self.waiting and expected["type"] not in BY_TIMER:
            self.say()
        else:
            assert self.client.model.deadline < inf, f"no {expected['type']} will ever come"
            self.client.run(self.client.model.deadline)

    def say(self) -> None:
        """Say all that the client has said by now, with the ids that the embedded model gave."""
        names: dict[str, str] = {}
        for theirs, ours in zip(self.expected, self.said(), strict=False):
            for key in ("id", "call_id"):
                if key in theirs.get("item", {}):
                    names[theirs["item"][key]] = ours["item"][key]
        for event in self.waiting:
            if event["type"] != "input_audio_buffer.append":
                text = json.dumps(event)
                for name, own in names.items():
                    text = text.replace(f'"{name}"', f'"{own}"')
                self.client.send_raw(text.encode())
        self.waiting.clear()


def _no_sound(name: str) -> bytes:
    raise OSError(name)


@pytest.mark.parametrize(
    "name",
    [
        "openai/text_in_audio_out_turn.jsonl",
        "openai/audio_in_server_vad_turn.jsonl",
        "openai/tool_call_round.jsonl",
        "openai/text_tool_round_parity_openai-previous.jsonl",
        "openai/barge_in_interrupt_response_true.jsonl",
        "openai/idle_timeout.jsonl",
        "openai/truncate_after_done.jsonl",
        "openai/message_history_seeding.jsonl",
        "openai/history_seeding_parity_openai-current.jsonl",
        "openai/history_seeding_parity_openai-previous.jsonl",
        "openai/failed_response.jsonl",
    ],
)
def test_the_order_of_events_is_that_of_the_recorded_session(name: str) -> None:
    recorded = Recorded(name)

    said = recorded.play()

    assert [shape(event) for event in said[: len(recorded.expected)]] == [shape(event) for event in recorded.expected]


def keys(value: object) -> object:
    """The keys of JSON, in order, at every depth."""
    match value:
        case dict():
            return [(key, keys(inner)) for key, inner in value.items()]
        case list():
            return [keys(inner) for inner in value]
        case _:
            return None


@pytest.mark.parametrize("type", ["session.created", "session.updated"])
def test_the_session_has_the_fields_of_the_hosted_services_in_their_order(type: str) -> None:
    recorded = Recorded("openai/audio_in_server_vad_turn.jsonl")
    theirs = next(event for event in recorded.expected if event["type"] == type)

    ours = next(event for event in recorded.play() if event["type"] == type)

    assert keys(ours) == keys(theirs)
    for key in theirs["session"].keys() - {"id", "model", "instructions", "expires_at"}:
        assert ours["session"][key] == theirs["session"][key]


OPTIONAL: Final = {"obfuscation", "phase", "reasoning_tokens"}
"""What the hosted service adds and no type has (protocol.md, section 4)."""


def plain(value: object) -> object:
    """Keys in order, without those that are the hosted service's own addition."""
    match value:
        case dict():
            return [(key, plain(inner)) for key, inner in value.items() if key not in OPTIONAL]
        case list():
            return [plain(inner) for inner in value]
        case _:
            return None


@pytest.mark.parametrize(
    "name",
    ["audio_in_server_vad_turn", "tool_call_round", "barge_in_interrupt_response_true", "failed_response"],
)
def test_every_event_has_the_fields_of_the_hosted_services_in_their_order(name: str) -> None:
    recorded = Recorded(f"openai/{name}.jsonl")

    pairs = zip(recorded.play(), recorded.expected, strict=False)

    for ours, theirs in pairs:
        assert plain(ours) == plain(theirs)

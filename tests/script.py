"""Peers for tests: a machine that says what its script says, and remembers what it heard."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from realtime_engine.audio import encode_base64
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Frame, MachineInput, MachineOutput

Said = str | bytes | Mapping[str, Any] | Close
"""An event (its type, or all of it), binary audio, or a close."""


def frame(said: Said) -> MachineOutput:
    """What a script says, as a machine's output."""
    match said:
        case Close():
            return said
        case bytes():
            return Frame(said, Kind.BINARY)
        case str():
            return Frame(json.dumps({"type": said}, separators=(",", ":")).encode())
        case _:
            return Frame(json.dumps(said, separators=(",", ":")).encode())


@dataclass(slots=True)
class Heard:
    """Something that a script was told."""

    at: float
    kind: Kind
    raw: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.raw)
        return event

    @property
    def type(self) -> str:
        return "binary" if self.kind is Kind.BINARY else str(self.event["type"])


@dataclass(slots=True)
class Script:
    """A machine. ``at`` says things at their times, ``on`` answers an event by its type, each time it comes."""

    _timed: list[tuple[float, Sequence[Said]]] = field(default_factory=list)
    _answers: dict[str, Callable[[dict[str, Any]], Sequence[Said]]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    ended: Disconnected | None = None

    def at(self, time: float, *said: Said) -> "Script":
        self._timed.append((time, said))
        self._timed.sort(key=lambda each: each[0])
        return self

    def on(self, kind: str, answer: Callable[[dict[str, Any]], Sequence[Said]] | Said, *more: Said) -> "Script":
        if callable(answer):
            self._answers[kind] = answer
        else:
            fixed = (answer, *more)
            self._answers[kind] = lambda event: fixed
        return self

    @property
    def deadline(self) -> float:
        return self._timed[0][0] if self._timed else inf

    @property
    def waits_for(self) -> str:
        return "nothing: its script is over" if not self._timed else f"{self._timed[0][0]} s"

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        match given:
            case Connected():
                return self._answer("connected", {})
            case Frame(raw=raw, kind=kind):
                heard = Heard(now, kind, raw)
                self.heard.append(heard)
                return self._answer(heard.type, {} if kind is Kind.BINARY else heard.event)
            case Disconnected():
                self.ended = given
        return ()

    def _answer(self, kind: str, event: dict[str, Any]) -> Sequence[MachineOutput]:
        answer = self._answers.get(kind)
        return [frame(said) for said in answer(event)] if answer is not None else ()

    def advance(self, now: float) -> Sequence[MachineOutput]:
        due: list[MachineOutput] = []
        while self._timed and self._timed[0][0] <= now:
            due += [frame(said) for said in self._timed.pop(0)[1]]
        return due

    def types(self) -> list[str]:
        """The types of all that was heard, in order."""
        return [heard.type for heard in self.heard]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All events of a type that were heard."""
        return [heard.event for heard in self.heard if heard.type == kind]

    def truncations(self) -> list[tuple[str, int]]:
        """The items that were truncated, and to how many milliseconds."""
        return [(said["item_id"], said["audio_end_ms"]) for said in self.all("conversation.item.truncate")]


# --- the words of a server ------------------------------------------------------------------------------------


def session_created(**audio_input: Any) -> dict[str, Any]:
    return {
        "type": "session.created",
        "event_id": "event_s",
        "session": {"type": "realtime", "audio": {"input": audio_input}},
    }


def created(response: str = "resp_1", conversation: str | None = "conv_1") -> dict[str, Any]:
    return {
        "type": "response.created",
        "response": {"id": response, "status": "in_progress", "conversation_id": conversation},
    }


def done(
    response: str = "resp_1", status: str = "completed", conversation: str | None = "conv_1", tokens: int = 0
) -> dict[str, Any]:
    return {
        "type": "response.done",
        "response": {
            "id": response,
            "status": status,
            "conversation_id": conversation,
            "usage": {"total_tokens": tokens},
        },
    }


def speech(seconds: float, item: str = "item_1", response: str = "resp_1", content_index: int = 0) -> dict[str, Any]:
    """So much silence, spoken."""
    audio = bytes(int(seconds * 24_000) * 2)
    return {
        "type": "response.output_audio.delta",
        "event_id": "event_a",
        "response_id": response,
        "item_id": item,
        "output_index": 0,
        "content_index": content_index,
        "delta": encode_base64(audio).decode(),
    }


def speech_started(ms: int = 0, item: str = "item_u") -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_started", "audio_start_ms": ms, "item_id": item}


def speech_stopped(ms: int = 0, item: str = "item_u") -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": ms, "item_id": item}


def function_call(call: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    item = {"type": "function_call", "call_id": call, "name": name, "arguments": arguments, "status": status}
    return {"type": "response.output_item.done", "response_id": "resp_1", "item": {"id": f"item_{call}", **item}}

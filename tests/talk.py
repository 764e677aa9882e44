"""A client's dialogue with a server that a test plays: what is said to it, and what it then wants."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.dialogue import Dialogue
from realtime_engine.inputs import Kind, Message, Side, ToolResult
from realtime_engine.item_updates import Keep
from realtime_engine.options import ToolSchema
from realtime_engine.session_settings import AskedSettings
from realtime_engine.updates import Update

UpdateT = TypeVar("UpdateT", bound=Update)


class Talk:
    """A dialogue, and all that has come of it.

    Attributes:
        now: The time.
        sent: The events that the server was sent.
        calls: The functions that were to be called: id, name, arguments.
        updates: What the application was told.
        schemas: The functions that run.
    """

    def __init__(self, *tools: str, session: Mapping[str, Any] | None = None, **keep: Any) -> None:
        self.now = 0.0
        self.sent: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.updates: list[Update] = []
        self.schemas = [ToolSchema(name=name) for name in tools]
        self.dialogue = Dialogue(AskedSettings(session), lambda: self.schemas, Keep(**keep))

    def hear(self, *events: Mapping[str, Any] | str | bytes) -> None:
        """The server says something: an event, its type, or a text as it stands."""
        for event in events:
            said: object = {"type": event} if isinstance(event, str) else event
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.dialogue.heard(self.now, Message(Side.UPSTREAM, Kind.TEXT, raw))
        self.take()

    def take(self) -> None:
        """Take what is to be done."""
        todo = self.dialogue.take()
        self.sent += [json.loads(frame) for frame in todo.frames]
        self.calls += [(call.call_id, call.name, call.arguments) for call in todo.calls]
        self.updates += todo.updates

    def want(self, wish: Callable[[Dialogue], object]) -> None:
        """The application wants something."""
        wish(self.dialogue)
        self.take()

    def answer(self, call_id: str, output: str = "done", *, failed: bool = False) -> bool:
        """A function has its result."""
        waited = self.dialogue.answer(self.now, ToolResult(call_id, output, failed))
        self.take()
        return waited

    def respond(self, *events: Mapping[str, Any], response: str = "resp_1", status: str = "completed") -> None:
        """A whole response, in which this is said."""
        self.hear(created(response), *events, done(response, status))

    def types(self) -> list[str]:
        """The types of all that was sent."""
        return [event["type"] for event in self.sent]

    def all(self, kind: type[UpdateT]) -> list[UpdateT]:
        """All updates of a kind."""
        return [update for update in self.updates if isinstance(update, kind)]

    def kinds(self) -> list[str]:
        """The kinds of all updates."""
        return [type(update).__name__ for update in self.updates]

    def forget(self) -> None:
        """Forget what was sent, called and told so far."""
        self.sent, self.calls, self.updates = [], [], []

    @property
    def said(self) -> bytes:
        """The microphone audio that the server was sent."""
        return b"".join(
            decode_base64(event["audio"]) for event in self.sent if event["type"] == "input_audio_buffer.append"
        )


# --- the words of a server ------------------------------------------------------------------------------------


def session(kind: str = "session.created", **audio_input: Any) -> dict[str, Any]:
    return {"type": kind, "session": {"type": "realtime", "audio": {"input": audio_input}}}


def created(response: str = "resp_1", conversation: str | None = "conv_1") -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": response, "conversation_id": conversation}}


def done(
    response: str = "resp_1",
    status: str = "completed",
    output: Sequence[Mapping[str, Any]] = (),
    conversation: str | None = "conv_1",
    **more: Any,
) -> dict[str, Any]:
    ended = {"id": response, "status": status, "output": output, "conversation_id": conversation, **more}
    return {"type": "response.done", "response": ended}


def message(item_id: str, role: str = "user", status: str = "completed", **part: Any) -> dict[str, Any]:
    """An item: a message of one part, or of none."""
    return {"id": item_id, "type": "message", "role": role, "status": status, "content": [part] if part else []}


def call(call_id: str, name: str = "lamp", arguments: str = "{}", status: str = "completed") -> dict[str, Any]:
    """An item: a function call."""
    return {
        "id": f"item_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def added(item: Mapping[str, Any], previous: str | None = None, kind: str = "added") -> dict[str, Any]:
    """An item has its place: after another, or at the end."""
    place = {} if previous is None else {"previous_item_id": previous}
    return {"type": f"conversation.item.{kind}", "item": item, **place}


def ended(item: Mapping[str, Any], response: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.output_item.done", "response_id": response, "output_index": 0, "item": item}


def begun(item: Mapping[str, Any], response: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.output_item.added", "response_id": response, "output_index": 0, "item": item}


def piece(kind: str, item_id: str = "item_1", response: str = "resp_1", **said: Any) -> dict[str, Any]:
    """A piece of an answer: ``output_text.delta`` and the like."""
    return {"type": f"response.{kind}", "response_id": response, "item_id": item_id, "content_index": 0, **said}


def speech(seconds: float, item_id: str = "item_1", response: str = "resp_1") -> dict[str, Any]:
    """So much silence, spoken."""
    return sound(bytes(int(seconds * 24_000) * 2), item_id, response)


def sound(audio: bytes, item_id: str = "item_1", response: str = "resp_1") -> dict[str, Any]:
    """Just this, spoken."""
    return piece("output_audio.delta", item_id, response, delta=encode_base64(audio).decode())


def transcription(kind: str, item_id: str = "item_u", **more: Any) -> dict[str, Any]:
    return {"type": f"conversation.item.input_audio_transcription.{kind}", "item_id": item_id, **more}


def error(event_id: str | None = None, code: str = "invalid_value", message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid", "code": code, "message": message, "event_id": event_id}}

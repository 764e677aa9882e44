"""The front of the golden recording ``beta-client``: an application of the beta, as the first ones were.

It asks aloud, answers the function call that this leads to, hears the answer, and leaves.
"""

from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec
import soundfile

from realtime_engine.audio import encode_base64, microseconds
from realtime_engine.machine import Close, Disconnected, Frame, MachineInput, MachineOutput
from realtime_engine.tools import Tools
from recordings.tools import weather

PIECE: Final = 4800
"""Bytes of microphone audio in a message: 100 ms."""

_WEATHER: Final = Tools([weather]).schemas[0]
SESSION: Final = {
    "modalities": ["text", "audio"],
    "instructions": "Call for the weather.",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    },
    "tools": [
        {
            "type": "function",
            "name": _WEATHER.name,
            "description": _WEATHER.description,
            "parameters": _WEATHER.parameters,
        }
    ],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": 4096,
}


class BetaClient:
    """A machine: see `realtime_engine.machine.Machine`."""

    def __init__(self, question: Path) -> None:
        samples, _ = soundfile.read(question, dtype="int16")
        self._unsaid = samples.tobytes() + bytes(48_000)  # a second of silence ends the turn
        self.deadline = inf
        self.waits_for = "the model"

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """Hear an event."""
        if isinstance(given, Disconnected):
            self.deadline = inf
        if not isinstance(given, Frame):
            return ()
        event = msgspec.json.decode(given.raw)
        if event["type"] == "session.created":
            self.deadline = microseconds(now + 0.1)
            return [_event("session.update", session=SESSION)]
        return list(_answer(event["response"]["output"])) if event["type"] == "response.done" else ()

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """Speak on."""
        piece, self._unsaid = self._unsaid[:PIECE], self._unsaid[PIECE:]
        self.deadline = microseconds(now + 0.1) if self._unsaid else inf
        return [_event("input_audio_buffer.append", audio=encode_base64(piece).decode())]


def _answer(output: Sequence[dict[str, Any]]) -> Iterator[MachineOutput]:
    """The calls of a response are answered; after one without any the conversation is over."""
    calls = [item for item in output if item["type"] == "function_call"]
    for call in calls:
        result = weather(**msgspec.json.decode(call["arguments"]))
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        yield _event("conversation.item.create", item=item)
    yield _event("response.create") if calls else Close()


def _event(name: str, **fields: Any) -> Frame:
    return Frame(msgspec.json.encode({"type": name} | fields))

"""A WAV front against a scripted model: what both sides said, and what was shown."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from realtime_engine.audio import encode_base64
from realtime_engine.commands import Step
from realtime_engine.driving import Run
from realtime_engine.events import OutputAudioBufferPlayed
from realtime_engine.inputs import Kind, Message, Side, ToolResult
from realtime_engine.options import SessionOptions
from realtime_engine.session import Session
from realtime_engine.show import Scene, Who
from realtime_engine.simulate import simulate
from realtime_engine.sound import Samples
from tests.script import Script
from transports.wav import Spoken, Turn, Typed, Wav, WavOptions

LOUD = 8192
"""The level of all that is said in these tests, as PCM16."""


@dataclass
class Shown:
    """What was shown."""

    lines: list[tuple[float, Who, str]] = field(default_factory=list)
    progressed: list[tuple[str, float, float | None]] = field(default_factory=list)
    scenes: list[Scene | None] = field(default_factory=list)
    lively: bool = False

    def line(self, at: float, who: Who, text: str) -> None:
        self.lines.append((at, who, text))

    def progress(self, name: str, seconds: float, total: float | None) -> None:
        self.progressed.append((name, seconds, total))

    def scene(self, scene: Scene | None) -> None:
        self.scenes.append(scene)

    def of(self, who: Who) -> list[str]:
        """The lines of one."""
        return [text for _, speaker, text in self.lines if speaker is who]


@dataclass
class Talk:
    """How a conversation went."""

    steps: list[Step]
    shown: Shown
    end: Run
    model: Script

    def said(self) -> list[tuple[float, str]]:
        """The events of the front, with their times."""
        return [(at, message.type) for at, message in self._from_front(Kind.TEXT)]

    def frames(self) -> list[tuple[float, bytes]]:
        """The microphone's frames, with their times."""
        return [(at, message.raw) for at, message in self._from_front(Kind.BINARY)]

    def played(self) -> list[OutputAudioBufferPlayed]:
        """The reports of what was heard."""
        events = [message.event for _, message in self._from_front(Kind.TEXT)]
        return [event for event in events if isinstance(event, OutputAudioBufferPlayed)]

    def _from_front(self, kind: Kind) -> list[tuple[float, Message]]:
        return [
            (step.at, step.input)
            for step in self.steps
            if isinstance(step.input, Message) and step.input.side is Side.FRONT and step.input.kind is kind
        ]


def converse(
    model: Script,
    *turns: str | Path,
    output: Path | None = None,
    mix: Path | None = None,
    shown: Shown | None = None,
    then: Script | None = None,
    **session: Any,
) -> Talk:
    """Simulate a conversation: paths are spoken, texts typed. ``then`` is the model of the next connection."""
    models = [model, *filter(None, [then])]
    options = SessionOptions(lead=Wav.lead, reports=Wav.reports, **session)
    front = Wav(WavOptions(turns=as_turns(turns), output=output, mix=mix))
    steps: list[Step] = []
    shown = shown or Shown()
    with front.open(options, shown) as machine:
        end = simulate(
            Session(options),
            front=machine,
            connect=lambda: models.pop(0),
            record=steps.append,
            run_tool=lambda call: ToolResult(call.call_id, f"{call.name} ran"),
        )
    return Talk(steps, shown, end, model)


def as_turns(turns: Sequence[str | Path]) -> tuple[Turn, ...]:
    return tuple(Spoken(turn) if isinstance(turn, Path) else Typed(turn) for turn in turns)


def speech_file(path: Path, seconds: float, rate: int = 24_000, level: int = LOUD) -> Path:
    """A mono file of one level."""
    soundfile.write(path, np.full(int(seconds * rate), level, np.int16), rate, subtype="PCM_16")
    return path


# --- the words of a server ------------------------------------------------------------------------------------


def loud(seconds: float, item: str = "item_1", response: str = "resp_1") -> dict[str, Any]:
    """So much speech of one level."""
    audio = np.full(round(seconds * 24_000), LOUD, "<i2").tobytes()
    return {
        "type": "response.output_audio.delta",
        "response_id": response,
        "item_id": item,
        "output_index": 0,
        "content_index": 0,
        "delta": encode_base64(audio).decode(),
    }


def spoken(
    response: str = "resp_1", words: str = "Well.", item: str = "item_1", status: str = "completed"
) -> dict[str, Any]:
    """The end of a response that speaks."""
    content = [{"type": "output_audio", "transcript": words}]
    return _done(response, status, {"id": item, "type": "message", "role": "assistant", "content": content})


def written(words: str, response: str = "resp_1") -> dict[str, Any]:
    """The end of a response that writes."""
    content = [{"type": "output_text", "text": words}]
    return _done(response, "completed", {"type": "message", "role": "assistant", "content": content})


def called(call: dict[str, Any], response: str = "resp_1") -> list[dict[str, Any]]:
    """A response that calls a function, to its end."""
    known = {"response_id": response, "item_id": call["id"], "output_index": 0}
    arguments = known | {key: call[key] for key in ("call_id", "name", "arguments")}
    return [
        {"type": "response.function_call_arguments.delta", "delta": call["arguments"], **known},
        {"type": "response.function_call_arguments.done", **arguments},
        {"type": "response.output_item.done", "response_id": response, "output_index": 0, "item": call},
        _done(response, "completed", call),
    ]


def _done(response: str, status: str, item: dict[str, Any]) -> dict[str, Any]:
    about = {"id": response, "status": status, "conversation_id": "conv_1", "output": [item]}
    return {"type": "response.done", "response": about}


# --- files ----------------------------------------------------------------------------------------------------


def samples_of(path: Path) -> Samples:
    """A file's samples, as PCM16 integers, of shape (n, channels); the standard library reads the header strictly."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (24_000, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return pcm.reshape(-1, file.getnchannels()).astype(np.float32)


def loud_stretches(samples: Samples) -> list[tuple[float, float]]:
    """Where a channel is not silent, in seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(samples) > LOUD / 2, [0]]).astype(int)))
    return [(float(start) / 24_000, float(stop) / 24_000) for start, stop in edges.reshape(-1, 2)]

"""A client of the embedded model on a clock that jumps, and detectors that hear what a test wants heard.

Every event the model sends is checked against the types of the ``openai`` package before a test sees it.
"""

import json
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, Final, get_args

import numpy as np
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Done, Frame, Machine, MachineOutput, Work
from realtime_engine.sound import Samples
from realtime_engine.upstreams.local.ids import Ids
from realtime_engine.upstreams.local.model import Model, Setting
from realtime_engine.upstreams.local.voice import tones

Said = dict[str, Any]


def _server_events() -> dict[str, type[BaseModel]]:
    """The package's model for each type of server event."""
    union = get_args(get_args(RealtimeServerEvent)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in union}


SERVER_EVENTS: Final = _server_events()


def validate(raw: bytes) -> Said:
    """A frame as an event; it must be valid by the package's types, every required field there."""
    event: Said = json.loads(raw)
    SERVER_EVENTS[event["type"]].model_validate_json(raw)
    return event


class Hears:
    """A detector that hears speech in the frames given, by their numbers."""

    def __init__(self, *spans: tuple[int, int]) -> None:
        self._spans = spans
        self._frame = -1

    def __call__(self, samples: Samples) -> float:
        assert samples.shape == (512,)
        assert samples.dtype == np.float32
        self._frame += 1
        return 0.9 if any(first <= self._frame < stop for first, stop in self._spans) else 0.1


def loud(samples: Samples) -> float:
    """A detector without memory: whatever is loud is speech."""
    return 0.9 if float(np.abs(samples).max()) > 0.1 else 0.1


SILENCE: Final = bytes(1536)  # 32 ms of PCM16


def noise(frames: int) -> bytes:
    """So many frames of 32 ms that are loud, and the same every time."""
    wave = np.sin(np.arange(frames * 768) * (2 * np.pi * 300 / 24_000)) * 12_000
    return bytes(wave.astype("<i2").tobytes())


def setting(**changes: Any) -> Setting:
    """What a model in a test is made of: tones for a voice, and a detector that takes loud for speech."""
    given: dict[str, Any] = {"detector": lambda: loud, "voice": tones, "ids": Ids("test"), **changes}
    return Setting(**given)


class Client:
    """A client, connected.

    Attributes:
        now: The time.
        events: All that the model has said.
        times: When it said each of them.
        closed: Its close, once it has closed.
        work: Slow work that it has asked for and not yet been given, if `lazy`.
    """

    def __init__(self, machine: Machine | None = None, *, lazy: bool = False, **changes: Any) -> None:
        self.model = Model(setting(**changes)) if machine is None else machine
        self.now = 0.0
        self.events: list[Said] = []
        self.frames: list[bytes] = []
        self.times: list[float] = []
        self.closed: Close | None = None
        self.work: list[Work] = []
        self._lazy = lazy
        self.take(self.model.step(0.0, Connected()))

    def send(self, type: str, /, **fields: Any) -> None:
        """Say something."""
        self.send_raw(json.dumps({"type": type, **fields}).encode())

    def send_raw(self, raw: bytes, kind: Kind = Kind.TEXT) -> None:
        """Say anything."""
        self.take(self.model.step(self.now, Frame(raw, kind)))

    def append(self, audio: bytes) -> None:
        """Speak."""
        self.send("input_audio_buffer.append", audio=encode_base64(audio).decode())

    def update(self, **session: Any) -> None:
        """Change the session."""
        self.send("session.update", session={"type": "realtime", **session})

    def configure(self, **given: Any) -> None:
        """Change ``audio.input``."""
        self.update(audio={"input": given})

    def manual(self) -> None:
        """Switch turn detection off."""
        self.configure(turn_detection=None)

    def type(self, text: str) -> None:
        """Type a message."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})

    def ask(self, text: str, **response: Any) -> Said:
        """Type a message, have it answered, and give the response."""
        self.type(text)
        return self.respond(**response)

    def respond(self, **response: Any) -> Said:
        """Have an answer, and give the response when it is done."""
        self.send("response.create", **({"response": response} if response else {}))
        self.run()
        done: Said = self.last("response.done")["response"]
        return done

    def finish(self, result: object = None, error: Exception | None = None) -> None:
        """The oldest work is done."""
        self.take(self.model.step(self.now, Done(self.work.pop(0).number, result, error)))

    def run(self, until: float = inf) -> None:
        """Let time pass: until then, or until nothing more will happen by itself."""
        while self.model.deadline <= until and self.model.deadline < inf:
            self.now = max(self.now, self.model.deadline)
            self.take(self.model.advance(self.now))
        if until < inf:
            self.now = until

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self.run(self.now + seconds)

    def run_to(self, type: str) -> Said:
        """Let time pass until something new of a type has been said."""
        seen = len(self.events)
        while not any(event["type"] == type for event in self.events[seen:]):
            assert self.model.deadline < inf, f"no {type} will ever come"
            self.now = max(self.now, self.model.deadline)
            self.take(self.model.advance(self.now))
        return self.last(type)

    def take(self, outputs: Iterable[MachineOutput]) -> None:
        """Take what the model gives."""
        for output in outputs:
            assert self.closed is None, "something came after the close"
            match output:
                case Frame():
                    self.frames.append(output.raw)
                    self.events.append(validate(output.raw))
                    self.times.append(self.now)
                case Close():
                    self.closed = output
                case Work():
                    self.work.append(output)
                    if not self._lazy:
                        self.finish(output.run())

    @property
    def types(self) -> list[str]:
        """The types of all events."""
        return [event["type"] for event in self.events]

    def all(self, type: str) -> list[Said]:
        """All events of a type."""
        return [event for event in self.events if event["type"] == type]

    def last(self, type: str) -> Said:
        """The newest event of a type."""
        return self.all(type)[-1]

    def forget(self) -> None:
        """Forget what was said so far."""
        self.events.clear()
        self.times.clear()
        self.frames.clear()

    @property
    def error(self) -> Said:
        """The newest error; it must be the newest event."""
        assert self.types[-1] == "error"
        error: Said = self.events[-1]["error"]
        return error

    @property
    def speech(self) -> bytes:
        """The audio of all deltas."""
        return audio_of(self.all("response.output_audio.delta"))


def audio_of(deltas: Sequence[Said]) -> bytes:
    """The audio of deltas."""
    return b"".join(decode_base64(delta["delta"]) for delta in deltas)

"""Ears at the virtual card that know when they hear, and a model that is played by hand: what time is measured with."""

import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final

import msgspec
import trio

from realtime_engine import events as ev
from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.inputs import Kind
from realtime_engine.sound import Samples, from_pcm16, to_pcm16
from realtime_engine.websocket import WebSocket
from tests.script import created, done, session_created
from tests.soundcard import RATE, RAW, VirtualCard

PIECE_SECONDS: Final = 0.01
"""How much the card records, or plays, at once: as much as the least that is asked for by who uses it."""

PIECES: Final = 500
"""How many pieces there are before things are measured, and by how many: at first they may be longer."""

PART: Final = {"output_index": 0, "content_index": 0}
ITEM: Final = {"type": "message", "role": "assistant"}


class Ear:
    """What is heard at one place of the card; times are those of `time.perf_counter`.

    The card's clock runs as evenly as that of the computer: of the last pieces the quickest tells when each sample was
    there, and what the others are late by does not count.
    """

    def __init__(self) -> None:
        self._sound = bytearray()
        self._zeros: deque[float] = deque(maxlen=PIECES)  # when the first sample was there, by each of the last

    async def listen(self, sound: trio.abc.ReceiveStream) -> None:
        """Hear all there is."""
        async for piece in sound:
            self._sound += piece
            self._zeros.append(perf_counter() - self.size / RATE)

    @property
    def size(self) -> int:
        """How many samples there were."""
        return len(self._sound) // 2

    def since(self, sample: int) -> Samples:
        """From one sample on."""
        return from_pcm16(bytes(self._sound[sample * 2 : self.size * 2]))

    def recorded_at(self, sample: int) -> float:
        """When a sample could be had, as the last of its piece."""
        return self._zero + sample / RATE

    def played_at(self, sample: int) -> float:
        """When a sample was played: a piece can be had as soon as the first of it is."""
        return self.recorded_at(sample) + PIECE_SECONDS

    @property
    def _zero(self) -> float:
        return min(self._zeros)

    def sample_at(self, moment: float) -> int:
        """What is played at a moment."""
        return round((moment - PIECE_SECONDS - self._zero) * RATE)


@asynccontextmanager
async def hearing(card: VirtualCard, device: str) -> AsyncIterator[Ear]:
    """An ear at a device of the card, for as long as the block lasts."""
    ear = Ear()
    async with trio.open_nursery() as nursery:
        command = ["parec", f"--device={device}", f"--latency-msec={PIECE_SECONDS * 1000:.0f}", *RAW]
        recorder = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=dict(card.env))
        assert recorder.stdout is not None
        try:
            nursery.start_soon(ear.listen, recorder.stdout)
            yield ear
        finally:
            recorder.terminate()
            with trio.CancelScope(shield=True):
                await recorder.wait()
        nursery.cancel_scope.cancel()


class Model:
    """A server with one client; it says what it is told to, and remembers what it has heard, and when."""

    def __init__(self) -> None:
        self._sound = bytearray()
        self._arrived: list[tuple[int, float]] = []  # samples that had come by then
        self._websocket: WebSocket | None = None
        self._answers = 0

    async def serve(self, websocket: WebSocket) -> None:
        """Be there for a client."""
        self._websocket = websocket
        self._say(session_created())
        while batch := await websocket.read():
            now = perf_counter()
            for message in batch:
                self._hear(now, message.raw)
        await websocket.close(1000, "")

    @property
    def heard(self) -> int:
        """Samples of the microphone that have come."""
        return len(self._sound) // 2

    def since(self, sample: int) -> Samples:
        """What the microphone has heard, from one sample on."""
        return from_pcm16(bytes(self._sound[sample * 2 :]))

    def heard_at(self, sample: int) -> float:
        """When the event came that holds a sample."""
        return next(at for size, at in self._arrived if size > sample)

    def answer(self, speech: Samples, seconds: float = 0.2) -> float:
        """Begin to answer; gives when the first of the pieces left, of so many seconds each."""
        self._answers += 1
        response, item = f"resp_{self._answers}", f"item_{self._answers}"
        self._say(created(response))
        added = {"type": "response.output_item.added", "response_id": response, "item": {"id": item, **ITEM}}
        self._say(added)
        delta = {"type": "response.output_audio.delta", "response_id": response, "item_id": item, **PART}
        left = perf_counter()
        size = round(seconds * RATE)
        for start in range(0, speech.size, size):
            self._say(
                delta | {"delta": encode_base64(to_pcm16(speech[start : start + size])).decode()},
            )
        return left

    def end_answer(self) -> None:
        """It is all said."""
        self._say(done(f"resp_{self._answers}"))

    def notice(self, what: dict[str, Any]) -> float:
        """Say something; gives when it left."""
        left = perf_counter()
        self._say(what)
        return left

    def _hear(self, now: float, raw: bytes) -> None:
        match ev.decode(raw):
            case ev.SessionUpdate():
                self._say(msgspec.json.decode(raw, type=dict[str, Any]) | {"type": "session.updated"})
            case ev.InputAudioBufferAppend(audio=audio):
                self._sound += decode_base64(audio)
                self._arrived.append((self.heard, now))
            case ev.ResponseCancel():
                self._say(done(f"resp_{self._answers}", "cancelled"))

    def _say(self, event: dict[str, Any]) -> None:
        assert self._websocket is not None, "nobody is there"
        self._websocket.write(msgspec.json.encode(event), Kind.TEXT)
        self._websocket.flush()

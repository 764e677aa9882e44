"""A conversation at the virtual card in which time is measured: ears that know when they hear, and a model by hand."""

import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import trio

from realtime_engine import events as ev
from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.inputs import Kind
from realtime_engine.network import open_network
from realtime_engine.sound import Samples, from_pcm16, to_pcm16
from realtime_engine.websocket import WebSocket
from tests.script import created, done, session_created
from tests.soundcard import RATE, RAW, WITHIN, VirtualCard
from tests.wires import serving

ROOT: Final = Path(__file__).parent.parent
LOOK_EVERY: Final = 0.05
PAUSE: Final = 0.02  # seconds: no tone here is as low as to be silent for so long
SILENT: Final = 0.003

PIECE_SECONDS: Final = 0.01
"""How much the card records, or plays, at once: as much as the least that is asked for by who uses it."""

PIECES: Final = 500
"""How many pieces there are before things are measured, and by how many: at first they may be longer."""

ARRIVALS: Final = 10_000
"""Of how many messages it is remembered when they came: minutes of a microphone."""

PART: Final = {"output_index": 0, "content_index": 0}
ITEM: Final = {"type": "message", "role": "assistant"}


class Sound:
    """What has come so far of a sound, as far as it is not forgotten."""

    def __init__(self) -> None:
        self._sound = bytearray()
        self._forgotten = 0  # bytes

    def add(self, sound: bytes) -> None:
        """Hear so much more."""
        self._sound += sound

    @property
    def size(self) -> int:
        """How many samples there were."""
        return (self._forgotten + len(self._sound)) // 2

    def since(self, sample: int) -> Samples:
        """From one sample on."""
        return from_pcm16(bytes(self._sound[sample * 2 - self._forgotten : self.size * 2 - self._forgotten]))

    def forget(self) -> None:
        """Keep nothing of what was so far."""
        self._forgotten += len(self._sound)
        self._sound.clear()


class Ear(Sound):
    """What is heard at one place of the card; times are those of `time.perf_counter`.

    The card's clock runs as evenly as that of the computer: of the last pieces the quickest tells when each sample was
    there, and what the others are late by does not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self._zeros: deque[float] = deque(maxlen=PIECES)  # when the first sample was there, by each of the last

    async def listen(self, sound: trio.abc.ReceiveStream) -> None:
        """Hear all there is."""
        async for piece in sound:
            self.add(bytes(piece))
            self._zeros.append(perf_counter() - self.size / RATE)

    def recorded_at(self, sample: int) -> float:
        """When a sample could be had, as the last of its piece."""
        return self.zero + sample / RATE

    def played_at(self, sample: int) -> float:
        """When a sample was played: a piece can be had as soon as the first of it is."""
        return self.recorded_at(sample) + PIECE_SECONDS

    @property
    def zero(self) -> float:
        """When the first sample could be had, as the card's clock goes now."""
        return min(self._zeros)

    def sample_at(self, moment: float) -> int:
        """What is played at a moment."""
        return round((moment - PIECE_SECONDS - self.zero) * RATE)


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
    """A server with one client; it says what it is told to, and remembers what it has heard, and when.

    Attributes:
        heard: What the client has sent of its microphone.
        asked: How many answers it was asked for.
        truncated: To how many milliseconds answers were truncated.
    """

    def __init__(self) -> None:
        self.heard = Sound()
        self.asked = 0
        self.truncated: list[int] = []
        self._arrived: deque[tuple[int, float]] = deque(maxlen=ARRIVALS)  # samples that had come by then
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
                self.heard.add(decode_base64(audio))
                self._arrived.append((self.heard.size, now))
            case ev.ResponseCreate():
                self.asked += 1
            case ev.ConversationItemTruncate(audio_end_ms=ms):
                self.truncated.append(ms)
            case ev.ResponseCancel():
                self._say(done(f"resp_{self._answers}", "cancelled"))

    def _say(self, event: dict[str, Any]) -> None:
        assert self._websocket is not None, "nobody is there"
        self._websocket.write(msgspec.json.encode(event), Kind.TEXT)
        self._websocket.flush()


class Stage(NamedTuple):
    """One conversation."""

    card: VirtualCard
    model: Model
    microphone: Ear
    speaker: Ear
    engine: trio.Process
    said: Path  # what the engine prints


@asynccontextmanager
async def conversing(card: VirtualCard, *flags: str) -> AsyncIterator[Stage]:
    """``engine run`` at the card, once it hears."""
    model = Model()
    async with open_network() as network, serving(network, model.serve) as url:
        command = [sys.executable, "-m", "cli", "run", "--transport", "device", "--upstream", url, *flags]
        environment = {**card.env, "OPENAI_API_KEY": "sk-tests", "PYTHONUNBUFFERED": "1"}
        with NamedTemporaryFile(prefix="said-") as said:
            engine = await trio.lowlevel.open_process(
                command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, env=environment
            )
            try:
                async with hearing(card, "mic") as microphone, hearing(card, "speaker.monitor") as speaker:
                    await until(
                        lambda: min(model.heard.size, microphone.size, speaker.size) > 2 * PIECES * RATE * PIECE_SECONDS
                    )
                    yield Stage(card, model, microphone, speaker, engine, Path(said.name))
            finally:
                engine.terminate()
                with trio.CancelScope(shield=True):
                    await engine.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        trio.TooSlowError: It takes too long.
    """
    with trio.fail_after(WITHIN):
        while not condition():  # noqa: ASYNC110 - other processes tell nobody
            await trio.sleep(LOOK_EVERY)


async def silence(speaker: Ear, since: float) -> float:
    """When a tone is heard no more."""
    start = speaker.sample_at(since)
    size = round(PAUSE * RATE)
    silences: list[int] = []

    def silent() -> bool:
        loud = np.cumsum(np.abs(speaker.since(start)) > SILENT)
        silences[:] = map(int, np.flatnonzero(loud[size:] == loud[:-size])[:1])
        return bool(silences)

    await until(silent)
    return speaker.played_at(start + silences[0] + 1)


def tone(hertz: float, seconds: float) -> Samples:
    """A tone that begins at once."""
    return (0.4 * np.cos(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def onsets(sound: Samples) -> Sequence[int]:
    """Where something is heard after silence."""
    (loud,) = np.nonzero(np.abs(sound) > 0.1)
    return [int(each) for each in loud[np.diff(loud, prepend=-RATE) > RATE // 10]]

"""What `Session.step` costs for the events that come most often: audio, in and out."""

import statistics
import time
from collections.abc import Iterator
from typing import Literal

from bench.figure import Figure, at_most
from realtime_engine import Kind, Message, Opened, Session, SessionOptions, Side
from realtime_engine.audio import PCM16, encode_base64

COUNT = 5000  # events of each kind, in a round
ROUNDS = 10
REST = 1.0  # seconds between rounds: a shared machine is slow for seconds at a time
DELTA = 0.2  # seconds of speech in a model's delta, as the hosted service cuts it
CHUNK = 0.02  # seconds of microphone audio in a browser's message

RESPONSE = b"""\
{"type":"response.created","response":{"id":"resp_1","status":"in_progress","conversation_id":"conv_1"}}
{"type":"response.output_item.added","response_id":"resp_1","item":{"id":"item_1","type":"message"}}
{"type":"conversation.item.added","item":{"id":"item_1","type":"message","role":"assistant"}}
{"type":"response.content_part.added","response_id":"resp_1","item_id":"item_1","part":{"type":"audio"}}
"""

Mode = Literal["managed", "transparent"]


def figures() -> Iterator[Figure]:
    """The median of many steps, in the best of ten rounds: each direction of a managed session, and a relay."""
    yield at_most("`Session.step`: speech from the model, managed", _best_us("managed", speech()), 5, "µs")
    yield at_most("`Session.step`: microphone audio, managed", _best_us("managed", microphone()), 5, "µs")
    yield at_most("`Session.step`: speech from the model, transparent", _best_us("transparent", speech()), 5, "µs")


def speech() -> Message:
    """A model's delta."""
    audio = encode_base64(PCM16.silence(DELTA))
    frame = (
        b'{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1",'
        b'"output_index":0,"content_index":0,"delta":"%b"}'
    )
    return Message(Side.UPSTREAM, Kind.TEXT, frame % audio)


def microphone() -> Message:
    """A piece of microphone audio."""
    return Message(Side.FRONT, Kind.BINARY, PCM16.silence(CHUNK))


def _best_us(mode: Mode, message: Message) -> float:
    """The median of the best round, in microseconds."""
    medians = []
    for _ in range(ROUNDS):
        medians.append(_median_us(mode, message))
        time.sleep(REST)
    return min(medians)


def _median_us(mode: Mode, message: Message) -> float:
    """Microseconds that one step takes while an answer is under way, in real time."""
    session = Session(SessionOptions(mode=mode))
    for opened in (Opened(Side.FRONT), Opened(Side.UPSTREAM)):
        session.step(0.0, opened)
    for line in RESPONSE.splitlines():
        session.step(0.0, Message(Side.UPSTREAM, Kind.TEXT, line))
    seconds = DELTA if message.side is Side.UPSTREAM else CHUNK
    took = []
    for number in range(1, COUNT + 1):
        now = number * seconds
        fresh = Message(message.side, message.kind, message.raw)  # one that nobody has looked at yet
        session.advance(now)
        start = time.perf_counter_ns()
        commands = session.step(now, fresh)
        took.append(time.perf_counter_ns() - start)
        assert commands or message.kind is Kind.BINARY, "an audio event was not passed on"
    return statistics.median(took) / 1000

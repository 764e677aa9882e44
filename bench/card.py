"""The sound card: `engine run --transport device` at the virtual card of the tests, its block and latency the defaults.

The person and the model are both here: sound is played into the microphone, and a server says what a model says. When
a sample was recorded or played the card itself tells, to recorders beside the engine (`tests.ears`). So how sound gets
into the card does not count, nor what the recorders are late by. What the sound system and PortAudio hold of the
engine's own streams does, both ways: it is what the choice of block and latency costs. The card plays 10 ms at a time;
a sample counts as heard when its place in them comes.

It is as with a headset, no sound gets from the speaker to the microphone: so ``--echo off``. Then the canceller is
switched on, to see what its way costs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import numpy as np
import soundfile
import trio

from bench.figure import Figure, under
from realtime_engine.sound import Samples, resample
from tests.ears import SILENT, Stage, conversing, onsets, silence, tone, until
from tests.script import speech_started, speech_stopped
from tests.soundcard import RATE, open_card
from transports.device import DeviceOptions

SPEECH: Final = Path(__file__).parent.parent / "tests" / "audio" / "jfk.flac"
WORDS: Final = (0.0, 2.97, 5.09, 7.87)  # seconds into it: a third of one, then a word begins
NOISE: Final = 0.05  # twice as loud as the loudest of what is heard between the words
TIMES: Final = 20

_chance = Random(1)


class _Measured(NamedTuple):
    """Milliseconds."""

    heard: Sequence[float]
    cancelled: Sequence[float]
    played: Sequence[float]
    silenced: Sequence[float]
    paused: Sequence[float]


def figures() -> Iterator[Figure]:
    """Both ways through the card, and both ways to interrupt: the median of many, and the worst."""
    measured = trio.run(_measure)
    block = DeviceOptions().block_ms
    yield under("sound card: microphone to the model's event", measured.heard, block + 10, "ms")
    yield under("… through the echo canceller, too", measured.cancelled, block + 10, "ms")
    yield under("sound card: model's delta to the speaker", measured.played, 60, "ms")
    yield under("sound card: server's `speech_started` to silence", measured.silenced, 40, "ms")
    yield under("sound card: your first sample of speech to a pause", measured.paused, 150, "ms")


async def _measure() -> _Measured:
    with open_card() as card:
        async with conversing(card, "--echo", "off") as stage:
            heard = await _heard(stage)
            paused = [await _paused(stage, word) for _ in range(TIMES // len(WORDS)) for word in _words()]
        async with conversing(card, "--echo", "off", "--barge-in", "server") as stage:
            both = [await _silenced(stage) for _ in range(TIMES)]
        async with conversing(card, "--echo", "cancel") as stage:
            cancelled = await _heard(stage)
    return _Measured(heard, cancelled, [played for played, _ in both], [silent for _, silent in both], paused)


async def _heard(stage: Stage) -> list[float]:
    """From the microphone to the model."""
    before, known = stage.microphone.size, stage.model.heard.size
    pips = [np.zeros(RATE, np.float32)]
    for _ in range(TIMES):
        pips += [tone(1000, 0.03), np.zeros(round((0.3 + 0.02 * _chance.random()) * RATE), np.float32)]
    await trio.to_thread.run_sync(stage.card.speak, np.concatenate(pips))
    await until(lambda: len(onsets(stage.model.heard.since(known))) >= TIMES)
    recorded = (stage.microphone.recorded_at(before + each) for each in onsets(stage.microphone.since(before)))
    arrived = (stage.model.heard_at(known + each) for each in onsets(stage.model.heard.since(known)))
    return [(late - early) * 1000 for early, late in zip(recorded, arrived, strict=True)]


async def _silenced(stage: Stage) -> tuple[float, float]:
    """From the model to the speaker, and from its word that somebody speaks to silence."""
    speaker, model = stage.speaker, stage.model
    before = speaker.size
    said = model.answer(tone(440, 3.0))
    model.end_answer()
    await until(lambda: np.abs(speaker.since(before)).max(initial=0.0) > SILENT)
    begun = before + int(np.flatnonzero(np.abs(speaker.since(before)) > SILENT)[0])
    await trio.sleep(0.5 + 0.02 * _chance.random())
    told = model.notice(speech_started())
    silent = await silence(speaker, told)
    model.notice(speech_stopped())
    await trio.sleep(0.3)
    return (speaker.played_at(begun) - said) * 1000, (silent - told) * 1000


async def _paused(stage: Stage, word: Samples) -> float:
    """From the first sample of speech to a pause in the answer."""
    before = stage.microphone.size
    stage.model.answer(tone(440, 6.0))
    stage.model.end_answer()
    await trio.sleep(0.5 + 0.04 * _chance.random())
    await trio.to_thread.run_sync(stage.card.speak, word)
    (spoken, *_) = np.flatnonzero(np.abs(stage.microphone.since(before)) > NOISE)
    begun = stage.microphone.recorded_at(before + int(spoken))
    silent = await silence(stage.speaker, begun)
    await trio.sleep(1.0)  # the turn is over
    return (silent - begun) * 1000


def _words() -> Sequence[Samples]:
    """Words, each with what is heard before it, and the silence in which it ends."""
    sound, rate = soundfile.read(SPEECH, dtype="float32", always_2d=True)
    speech = resample(sound[:, 0], rate, RATE)
    pause = np.zeros(RATE, np.float32)
    return [np.concatenate([speech[round(at * RATE) : round((at + 1.1) * RATE)], pause]) for at in WORDS]

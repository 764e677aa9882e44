"""An hour of conversation at the virtual card: nothing drifts, nothing grows, nothing is lost. `make soak` runs it.

    python -m tests.system.card_soak [MINUTES]

Question and answer, again and again; of two answers one is spoken over. Each turn is measured: how late the model hears
the microphone, how late its answer is heard, and by how much more of an answer that was cut was heard at the speaker
than the model was told. Drift is by how much the last minutes differ from the first in any of them, medians both. The
virtual card's own clock is compared with the computer's, too; it is the card's affair.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import numpy as np
import soundfile
import trio

from realtime_engine.sound import Samples, resample
from tests.ears import SILENT, Stage, conversing, onsets, silence, tone, until
from tests.script import speech_started, speech_stopped
from tests.soundcard import RATE, open_card
from tests.system.relay_soak import Process
from tests.system.test_device import JFK

MOST_DRIFT: Final = 20.0  # milliseconds
MOST_GROWTH: Final = 8 << 20  # bytes, from when it has settled
SETTLE: Final = 5.0  # minutes, or a third of all
COMPARED: Final = 5.0  # minutes at each end, or a third of all
WHOLE: Final = 2.0  # seconds of an answer that is heard to its end
LONG: Final = 8.0  # of one that is not
TELL_EVERY: Final = 60.0

COMMITTED: Final = {"type": "input_audio_buffer.committed", "item_id": "item_u"}
_SERVED: Final = re.compile(r"not served in time: (\d+) overruns, (\d+) underruns")


@dataclass(slots=True)
class Measured:
    """What came of the turns: each time in seconds since the beginning, and each value in milliseconds."""

    microphone: list[tuple[float, float]] = field(default_factory=list)
    speaker: list[tuple[float, float]] = field(default_factory=list)
    heard: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    answered: int = 0


class Soak:
    """One conversation."""

    def __init__(self, stage: Stage, minutes: float) -> None:
        self._stage = stage
        self._minutes = minutes
        self._began = trio.current_time()
        self._question, self._word = _spoken()
        self._engine = Process(stage.engine.pid)
        self.measured = Measured()

    async def talk(self) -> None:
        """Talk for so long; how it goes is told every minute."""
        tell_at = 0.0
        while self._now < self._minutes * 60:
            for sound in (self._stage.microphone, self._stage.speaker, self._stage.model.heard):
                sound.forget()
            await self._ask()
            await self._hear_out()
            await self._ask()
            await self._speak_over()
            await self._hear_out()
            self.measured.memory.append((self._now, self._engine.memory))
            if self._now >= tell_at:
                tell_at = self._now + TELL_EVERY
                self._tell()

    @property
    def served(self) -> tuple[int, int, int]:
        """How often the engine says that microphone audio was lost, the speaker was silent, and the card was lost."""
        said = self._stage.said.read_text()
        overruns, underruns = (_SERVED.findall(said) or [(0, 0)])[-1]
        return int(overruns), int(underruns), said.count("the card is opened anew") + said.count(" is gone")

    @property
    def _now(self) -> float:
        return trio.current_time() - self._began

    async def _ask(self) -> None:
        """A question, and a pip by which is known when the model hears it."""
        microphone, model = self._stage.microphone, self._stage.model
        before, known = microphone.size, model.heard.size
        await trio.to_thread.run_sync(self._stage.card.speak, self._question)
        asked = len(onsets(microphone.since(before)))
        await until(lambda: len(onsets(model.heard.since(known))) >= asked)
        recorded = microphone.recorded_at(before + onsets(microphone.since(before))[-1])
        arrived = model.heard_at(known + onsets(model.heard.since(known))[-1])
        self.measured.microphone.append((self._now, (arrived - recorded) * 1000))
        await self._be_asked()

    async def _be_asked(self) -> None:
        """The model has heard the turn, and is asked for its answer."""
        model = self._stage.model
        before = model.asked
        for each in (speech_started(), speech_stopped(), COMMITTED):
            model.notice(each)
        await until(lambda: model.asked > before)

    async def _hear_out(self) -> None:
        """An answer from its first sample to its last."""
        said, begun = await self._begin(WHOLE)
        await silence(self._stage.speaker, begun + WHOLE / 2)
        self.measured.speaker.append((self._now, (begun - said) * 1000))
        self.measured.answered += 1

    async def _speak_over(self) -> None:
        """An answer that is cut."""
        model = self._stage.model
        before = len(model.truncated)
        _, begun = await self._begin(LONG)
        await trio.to_thread.run_sync(self._stage.card.speak, self._word)
        silent = await silence(self._stage.speaker, begun + 0.1)
        await until(lambda: len(model.truncated) > before)
        self.measured.heard.append((self._now, (silent - begun) * 1000 - model.truncated[-1]))
        self.measured.answered += 1
        await self._be_asked()

    async def _begin(self, seconds: float) -> tuple[float, float]:
        """Have the model answer; when it said the first of it, and when that was heard."""
        speaker, model = self._stage.speaker, self._stage.model
        before = speaker.size
        said = model.answer(tone(440, seconds))
        model.end_answer()
        await until(lambda: np.abs(speaker.since(before)).max(initial=0.0) > SILENT)
        return said, speaker.played_at(before + int(np.flatnonzero(np.abs(speaker.since(before)) > SILENT)[0]))

    def _tell(self) -> None:
        measured = self.measured
        overruns, underruns, lost = self.served
        print(
            f"{self._now / 60:5.1f} min: {measured.answered} turns; microphone {measured.microphone[-1][1]:.0f} ms, "
            f"speaker {measured.speaker[-1][1]:.0f} ms, heard {measured.heard[-1][1]:+.0f} ms; "
            f"{measured.memory[-1][1] / 1e6:.1f} MB; {overruns} overruns, {underruns} underruns, {lost} times anew",
            flush=True,
        )


async def soak(minutes: float) -> int:
    """Talk; then say what came of it. Exit status 1: something has drifted, grown, or was lost."""
    with open_card() as card:
        async with conversing(card, "--echo", "off", "--renew-after", "86400") as stage:
            talking = Soak(stage, minutes)
            clock = stage.speaker.zero
            problem = ""
            try:
                await talking.talk()
            except* trio.TooSlowError:
                problem = "a turn was not answered, or was not heard"
            clock = stage.speaker.zero - clock
            served = talking.served
            if problem:
                print(stage.said.read_text()[-2000:])
    return _judge(talking.measured, served, clock, minutes, problem)


def _judge(measured: Measured, served: tuple[int, int, int], clock: float, minutes: float, problem: str) -> int:
    span = min(COMPARED, minutes / 3) * 60
    drifts = [_drift(each, span) for each in (measured.microphone, measured.speaker, measured.heard)]
    settled = [size for at, size in measured.memory if at >= min(SETTLE, minutes / 3) * 60]
    growth = settled[-1] - settled[0] if settled else 0
    overruns, underruns, lost = served
    print(f"{measured.answered} turns answered; {problem or 'all'}")
    for what, drift in zip(("microphone", "speaker", "heard"), drifts, strict=True):
        print(f"drift of {what}: {drift:+.1f} ms (at most {MOST_DRIFT:.0f})")
    print(f"the card's clock against the computer's: {clock * 1000:+.1f} ms")
    print(f"memory: {growth / 1e6:+.2f} MB since it has settled (at most {MOST_GROWTH / 1e6:.1f})")
    print(f"{overruns} overruns (at most 0), {underruns} underruns, {lost} times opened anew (at most 0)")
    bad = problem or overruns or lost or growth > MOST_GROWTH or any(abs(drift) > MOST_DRIFT for drift in drifts)
    return 1 if bad else 0


def _drift(values: Sequence[tuple[float, float]], span: float) -> float:
    """By how much the last differ from the first, within so many seconds at each end."""
    if not values:
        return 0.0
    first = [value for at, value in values if at <= values[0][0] + span]
    last = [value for at, value in values if at >= values[-1][0] - span]
    return median(last) - median(first)


def _spoken() -> tuple[Samples, Samples]:
    """A question with a pip behind it; and something to say over an answer."""
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[:, 0], rate, RATE)
    pause = np.zeros(RATE // 2, np.float32)
    pip = np.concatenate([pause, tone(1000, 0.03), pause])
    return np.concatenate([speech[: int(2.3 * RATE)], pip]), np.concatenate([speech[: int(2.3 * RATE)], pause, pause])


def main() -> int:
    """Soak for an hour, or as long as is said."""
    return trio.run(soak, float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)


if __name__ == "__main__":
    sys.exit(main())

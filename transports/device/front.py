"""The person at a sound card. A machine: what the card does it looks up in `Duplex` whenever it is woken."""

from collections.abc import Sequence
from math import inf
from typing import Final

import msgspec
import numpy as np

from realtime_engine import events as ev
from realtime_engine.errors import EngineError, UpstreamError, UsageError
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Frame, MachineInput, MachineOutput
from realtime_engine.options import SessionOptions
from realtime_engine.show import Show, Who
from realtime_engine.sound import Resampler, encode, from_pcm16
from realtime_engine.upstreams.local.frames import Detector
from transports.aloud.ear import Ear, Place, played
from transports.aloud.narrator import Narrator
from transports.aloud.terms import OPEN_WITHIN, Terms
from transports.device.duplex import Duplex
from transports.device.echo import Echo, EchoMode, make_echo
from transports.device.listener import Decision, Listener
from transports.device.person import Person
from transports.device.speaker import Speaker

TELL_EVERY: Final = 1.0
"""Seconds between two words about a card that is not served in time."""

_STOPPED = 1001  # the close code when the operator ends a conversation
_NORMAL = 1000


class DeviceFront:
    """One conversation at a sound card.

    Times are seconds on the session's clock, which is ``offset`` ahead of `time.perf_counter`.

    Attributes:
        problems: What went wrong.
    """

    def __init__(
        self,
        session: SessionOptions,
        duplex: Duplex,
        show: Show,
        offset: float,
        detector: Detector | None = None,
        echo: EchoMode = "off",
        *,
        has_keys: bool = False,
        push_to_talk: bool = False,
    ) -> None:
        self._duplex = duplex
        self._detector = detector
        self._echo_mode = echo
        self._echo: Echo | None = None
        self._stumbles = 0  # of the card, that the echo knows of
        self._show = show
        self._offset = offset
        self._terms = Terms(session)
        self._narrator = Narrator(show)
        self._person = Person(show, self._say, self.leave, has_keys=has_keys, push_to_talk=push_to_talk)
        self._ear: Ear[Speaker] | None = None  # until the session is there
        self._microphone: Resampler | None = None
        self._listener: Listener | None = None  # where speech is detected here
        self._speaks = False  # the person, as far as the session was told
        self._awaits = False  # the answer to what was said
        self._responses: set[str] = set()  # that are under way
        self._held = False  # the speech that is played, until it is known whether the person speaks
        self._since = 0.0
        self._now = 0.0
        self._gone = False
        self._out: list[MachineOutput] = []
        self._told = (0, 0)  # overruns, underruns
        self._tell_at = -inf
        self._before = (0, 0)  # of cards that are gone
        self.problems: list[EngineError] = []

    # --- the machine ----------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When something is due though the card says nothing: a report, or the end of patience."""
        if self._gone:
            return inf
        return self._since + OPEN_WITHIN if self._ear is None else min(self._ear.deadline, self._person.deadline)

    @property
    def waits_for(self) -> str:
        """What the person waits for now."""
        return "the session" if self._ear is None else "the person"

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """Take one input."""
        self._now = now
        match given:
            case Connected():
                self._since = now
            case Disconnected(code=code, reason=reason):
                self._hung_up(code, reason)
            case Frame(kind=Kind.TEXT, raw=raw):
                self._told_by_session(now, ev.decode(raw))
            case _:
                pass  # a binary frame: no server is known to send any
        return self._take()

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """See what the card has done, and do what is due."""
        self._now = now
        if self._gone:
            return self._take()
        if self._ear is None:
            self._duplex.take()  # what is said before the session is there, nobody hears
            if now >= self._since + OPEN_WITHIN:
                self.leave(UpstreamError(f"the session was not there within {OPEN_WITHIN:.0f} s"))
            return self._take()
        self._listen()
        self._person.advance(now)
        speaker = self._ear.sounding
        speaker.hear(now)
        while (silenced := speaker.silenced()) is not None:
            self._fell_silent(*silenced)
        if self._held and speaker.unheard:
            self._ear.deadline = now  # that heard time stands still is said with each block
        self._say(self._ear.report(now))
        self._tell_of_card(now)
        self._person.look(now, speaker)
        return self._take()

    def _take(self) -> Sequence[MachineOutput]:
        out, self._out = self._out, []
        return out

    # --- the card -------------------------------------------------------------------------------------------

    def lost(self) -> None:
        """The card is gone; what is unheard waits."""
        self._say_of_card("lost")
        self._person.onlooker.card = False

    def use(self, duplex: Duplex) -> None:
        """The conversation goes on at another card."""
        self._before = self._counts
        self._duplex = duplex
        if self._ear is not None:
            self._open_microphone()
            for silenced in self._ear.sounding.use(duplex):
                self._fell_silent(*silenced)
            self._hold(self._held)
        self._say_of_card("there")
        self._person.onlooker.card = True

    def press(self, now: float, key: str) -> None:
        """A key was pressed; the next `advance` says what follows. Before the session is there one can only leave."""
        self._now = now
        if not self._gone and (self._ear is not None or key == "q"):
            self._person.press(now, key)

    def leave(self, problem: EngineError | None = None) -> None:
        """End the conversation; the next `advance` says so."""
        if self._gone:
            return
        self._told_more(self._now)
        if problem is not None:
            self.problems.append(problem)
            self._show.line(self._now, Who.ENGINE, str(problem))
        self._gone = True
        self._out.append(Close(_NORMAL, "the person has left" if problem is None else str(problem)))

    @property
    def _counts(self) -> tuple[int, int]:
        """Overruns and underruns, of all cards."""
        return self._before[0] + self._duplex.overruns, self._before[1] + self._duplex.underruns

    def _tell_of_card(self, now: float) -> None:
        """Say that the card was not served in time, once a second at most."""
        if now >= self._tell_at and self._told_more(now):
            self._tell_at = now + TELL_EVERY

    def _told_more(self, now: float) -> bool:
        """Say how often the card was not served in time, if it was again."""
        if self._counts == self._told:
            return False
        self._say_of_card("there")
        overruns, underruns = self._counts
        self._show.line(
            now, Who.ENGINE, f"the sound card was not served in time: {overruns} overruns, {underruns} underruns"
        )
        return True

    def _say_of_card(self, state: str) -> None:
        self._told = overruns, underruns = self._counts
        lost = state == "lost"
        self._say(ev.EngineSoundCard(state="lost" if lost else "there", overruns=overruns, underruns=underruns))

    # --- the microphone -------------------------------------------------------------------------------------

    def _open_microphone(self) -> None:
        """Begin with the card that there is now."""
        self._echo = make_echo(self._echo_mode, self._duplex.rate, self._duplex.echo_latency)
        self._stumbles = self._duplex.stumbles
        self._microphone = Resampler(self._duplex.rate, self._terms.input_format.sample_rate, quality="LQ")

    def _listen(self) -> None:
        """What the microphone has heard goes to the model."""
        if self._microphone is None:
            return
        recorded, given = self._duplex.take()
        if self._echo is not None:
            if self._stumbles != self._duplex.stumbles:
                self._stumbles = self._duplex.stumbles
                self._echo.stumble()
            recorded = self._echo.clean(recorded, given)
        if not recorded.size:
            return
        samples = self._microphone.feed(from_pcm16(recorded.astype(np.dtype("<i2"), copy=False).tobytes()))
        samples = self._person.through(samples)
        if samples.size:
            audio = encode(samples, self._terms.input_format)
            self._out.append(Frame(audio, Kind.BINARY))
            seconds = samples.size / self._terms.input_format.sample_rate
            self._narrator.sent(seconds)
            self._person.spoke(seconds)
            for decision in () if self._listener is None else self._listener.hear(samples):
                self._decided(decision)

    def _decided(self, decision: Decision) -> None:
        """Whether the person speaks. Where no answer is to be protected the first suspicion is enough for that.

        Where one is it pauses, and heard time stands still, until it is known; then the session cuts it, or it goes on.
        """
        match decision:
            case Decision.SUSPECTED if self._answered:
                self._say(ev.EngineSpeechSuspected())
                self._hold(self._ear is not None and self._ear.sounding.unheard)
            case Decision.SUSPECTED:
                self._speaks = True
                self._say(ev.EngineSpeechStarted())
            case Decision.CONFIRMED if not self._speaks:
                self._speaks = True
                self._say(ev.EngineSpeechStarted())
            case Decision.DISMISSED if not self._speaks:
                self._say(ev.EngineSpeechDismissed())
                if self._held:
                    self._show.line(self._now, Who.ENGINE, "that was no speech: the answer goes on")
                self._hold(held=False)
            case Decision.STOPPED | Decision.DISMISSED:
                self._speaks, self._awaits = False, True
                self._say(ev.EngineSpeechStopped())
                self._hold(held=False)
            case Decision.CONFIRMED:
                pass  # as it was taken for

    @property
    def _answered(self) -> bool:
        """Whether the model answers, is to answer, or is still heard."""
        return self._awaits or bool(self._responses) or (self._ear is not None and self._ear.sounding.unheard)

    def _hold(self, held: bool) -> None:  # noqa: FBT001 - held, or not
        self._held = held
        if self._ear is not None:
            self._ear.sounding.hold(held)

    # --- the model ------------------------------------------------------------------------------------------

    def _told_by_session(self, now: float, event: ev.Event) -> None:
        self._terms.see(event)
        self._person.onlooker.see(now, event)
        if self._ear is None:
            self._begin()
        ear = self._ear
        match event:
            case ev.ResponseCreated(response=response):
                self._awaits = False
                self._responses.add(response.id)
            case ev.ResponseDone(response=response):
                self._responses.discard(response.id)
            case ev.InputAudioBufferCommitted() if self._listener is not None and not self._terms.manual:
                if (decision := self._listener.rest()) is not None:  # the server is more impatient
                    self._decided(decision)
            case _:
                pass
        place = None
        if ear is not None:
            self._hear(now, ear, event)
            place = ear.sounding.place
        self._narrator.see(now, event, place)

    def _begin(self) -> None:
        """The session is there, or is refused."""
        terms = self._terms
        if terms.refused is not None:
            self.leave(UsageError(terms.refused))
        elif terms.ready:
            self._duplex.take()
            self._open_microphone()
            self._ear = Ear(Speaker(self._duplex, terms.output_format, self._offset))
            self._listener = (
                None if self._detector is None else Listener(self._detector, terms.input_format.sample_rate)
            )
            self._show.line(self._now, Who.ENGINE, f"{self._person.invitation}; Ctrl-C ends the conversation")

    def _hear(self, now: float, ear: Ear[Speaker], event: ev.Event) -> None:
        match event:
            case ev.ResponseOutputAudioDelta():
                try:
                    ear.hear(now, event)
                except msgspec.DecodeError:
                    self._show.line(now, Who.ENGINE, "the model sent sound that is no base64: it is left out")
            case ev.OutputAudioBufferCleared(event_id=str(cleared)):
                ear.sounding.fall_silent(now, cleared)
                ear.rest()
                self._held = False
            case _:
                pass

    def _fell_silent(self, cleared_event_id: str, place: Place | None) -> None:
        self._say(played(place, cleared_event_id))

    def _hung_up(self, code: int, reason: str) -> None:
        """The conversation was ended by somebody else. To be stopped by the operator is no failure."""
        if self._gone:
            return
        self._told_more(self._now)
        self._gone = True
        self._show.line(self._now, Who.ENGINE, f"the conversation ends: {reason}")
        if code not in {_STOPPED, _NORMAL}:
            self.problems.append(UpstreamError(reason))

    def _say(self, event: ev.Event | None) -> None:
        if event is not None:
            self._person.onlooker.see(self._now, event)
            self._out.append(Frame(ev.encode(event)))

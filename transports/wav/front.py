"""The person at a WAV front: speaks or types turn after turn, listens to each answer, and leaves.

A machine without I/O: what reads and writes files is handed to the driver as work, and the time is an argument.
It runs on the real clock and on a virtual one alike, always at the pace of a person.
"""

from collections.abc import Sequence
from enum import Enum
from math import inf

import msgspec

from realtime_engine import events as ev
from realtime_engine.audio import PCM16, microseconds
from realtime_engine.errors import EngineError, UpstreamError, UsageError
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Done, Frame, MachineInput, MachineOutput
from realtime_engine.objects import ContentPart, Item
from realtime_engine.options import SessionOptions
from realtime_engine.show import Show, Who
from transports.aloud.ear import Ear, played
from transports.aloud.narrator import Narrator
from transports.aloud.terms import OPEN_WITHIN, Terms
from transports.wav import Spoken, Turn
from transports.wav.answers import ANSWER_WITHIN, SILENT_FOR, Answers, Reply
from transports.wav.files import Files
from transports.wav.microphone import FRAME, Microphone
from transports.wav.sources import Opener
from transports.wav.tape import Tape
from transports.wav.timeline import Timeline

_STOPPED = 1001  # the close code when the operator ends a conversation


class Stage(Enum):
    """What the person does; the value says what is waited for."""

    OPENING = "the session"
    SPEAKING = "its file"
    LISTENING = "the answer"
    GONE = "nothing"


class WavFront:
    """One conversation of the WAV front. Made by `transports.wav.Wav.open`."""

    def __init__(self, session: SessionOptions, turns: Sequence[Turn], opener: Opener, tape: Tape, show: Show) -> None:
        self._turns = turns
        self._show = show
        self._terms = Terms(session)
        self._answers = Answers(frozenset(tool.name for tool in session.tools))
        self._narrator = Narrator(show)
        self._microphone = Microphone(PCM16)
        self._ear = Ear(Timeline(PCM16))
        self._files = Files(opener, tape, self._microphone, self._ear.sounding, show)
        self._stage = Stage.OPENING
        self._now = 0.0
        self._number = 0  # of the turn
        self._since = 0.0  # when the turn was over
        self._out: list[MachineOutput] = []
        self._problems: list[EngineError] = []

    # --- the machine ----------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When something is due: a frame, a report, a write, or the end of patience."""
        if self._stage is Stage.GONE:
            return inf
        return min(self._microphone.deadline, self._ear.deadline, self._files.write_at, self._stage_ends)

    @property
    def waits_for(self) -> str:
        """What the person waits for now."""
        return self._stage.value

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """Take one input."""
        self._now = now
        match given:
            case Connected():
                self._since = now
            case Disconnected(code=code, reason=reason):
                self._hung_up(code, reason)
            case Done():
                self._files.done(now, given)
            case Frame(kind=Kind.TEXT, raw=raw):
                self._told(now, ev.decode(raw))
            case _:
                pass  # a binary frame: no server is known to send any
        return self._go_on(now)

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """Do what is due."""
        self._now = now
        while (frame := self._microphone.frame(now)) is not None:
            self._out.append(Frame(frame.audio, Kind.BINARY))
            self._files.said(frame)
            self._narrator.sent(FRAME)
            if self._stage is Stage.SPEAKING:
                self._show.progress(str(self._turns[self._number - 1]), self._microphone.spoken, self._files.seconds)
        self._say(self._ear.report(now))
        return self._go_on(now)

    def end(self) -> None:
        """The conversation is over: the files get the rest."""
        self._files.finish(self._now)

    def raise_problems(self) -> None:
        """Say what went wrong, as an error.

        Raises:
            UsageError: A file could not be read or written to its end, or the settings were refused.
            UpstreamError: A turn was not answered, or an answer failed.
        """
        if problems := self._files.problems + self._problems:
            raise problems[0]
        if self._answers.failures:
            raise UpstreamError(f"the model failed to answer: {self._answers.failures[-1]}")

    # --- what the model does --------------------------------------------------------------------------------

    def _told(self, now: float, event: ev.Event) -> None:
        self._terms.see(event)
        self._answers.see(now, event)
        match event:
            case ev.SessionCreated() | ev.SessionUpdated():
                self._settle()
            case ev.Error() if self._stage is Stage.OPENING and self._terms.refused is not None:
                self._problems.append(UsageError(self._terms.refused))
                self._leave("the settings were refused")
            case ev.ResponseOutputAudioDelta():
                self._hear(now, event)
            case ev.OutputAudioBufferCleared(event_id=str(cleared)):
                self._say(played(self._ear.sounding.silence(now), cleared))
                self._ear.rest()
            case _:
                pass
        self._narrator.see(now, event, self._ear.sounding.place)

    def _settle(self) -> None:
        """The session is as it says; before the first word that also sets the formats."""
        terms = self._terms
        self._answers.by_itself = terms.answers
        if self._stage is not Stage.OPENING:
            return
        self._microphone.format, self._ear.sounding.format = terms.input_format, terms.output_format
        if terms.ready:
            self._files.start(self._now)
            self._stage = Stage.LISTENING  # to nothing: the first turn begins at once

    def _hear(self, now: float, delta: ev.ResponseOutputAudioDelta) -> None:
        try:
            self._ear.hear(now, delta)
        except msgspec.DecodeError:
            self._show.line(now, Who.ENGINE, "the model sent sound that is no base64: it is left out")

    # --- what the person does -------------------------------------------------------------------------------

    @property
    def _stage_ends(self) -> float:
        """When the stage ends though nothing happens."""
        match self._stage:
            case Stage.OPENING:
                return self._since + OPEN_WITHIN
            case Stage.LISTENING if not self._ear.sounding.unheard:
                return microseconds(self._answers.deadline(self._since)) if self._number else self._since
            case _:
                return inf

    def _go_on(self, now: float) -> Sequence[MachineOutput]:
        """Do what follows from what has come, or from the time that has passed; give all there is to say."""
        if self._stage is Stage.SPEAKING and not self._microphone.speaking:
            self._end_turn(now)
        if self._stage is Stage.LISTENING and self._answers.unanswered and not self._answers.hears_speech:
            self._ask(now)
        if now >= self._stage_ends:
            self._say_if_unanswered(now)
            self._next_turn(now)
        if self._stage is not Stage.GONE:
            self._out += self._files.work(now)
        out, self._out = self._out, []
        return out

    def _next_turn(self, now: float) -> None:
        """Begin the next turn, or leave."""
        if self._stage is Stage.OPENING or self._number == len(self._turns):
            self._leave()
            return
        turn = self._turns[self._number]
        self._number += 1
        self._answers.begin(now)
        self._since = now
        if isinstance(turn, Spoken):
            self._speak(now, turn)
        else:
            self._type(now, turn.text)

    def _speak(self, now: float, turn: Spoken) -> None:
        if not self._files.open(turn.path):
            self._leave()
            return
        self._stage = Stage.SPEAKING
        seconds = self._files.seconds
        length = f" ({seconds:.1f} s)" if seconds is not None else ""
        self._show.line(now, Who.PERSON, f"♪ {turn}{length}")
        self._microphone.speak(now)

    def _type(self, now: float, text: str) -> None:
        self._stage = Stage.LISTENING
        self._show.line(now, Who.PERSON, text)
        self._mute()
        content = ContentPart(type="input_text", text=text)
        self._say(ev.ConversationItemCreate(item=Item(type="message", role="user", content=(content,))))
        self._ask(now)

    def _end_turn(self, now: float) -> None:
        """The last word is spoken. With manual turns the person says so; else silence tells."""
        self._stage = Stage.LISTENING
        self._since = now
        if self._terms.manual:
            self._mute()
            self._say(ev.InputAudioBufferCommit())
            self._ask(now)

    def _mute(self) -> None:
        if self._microphone.on:
            self._microphone.off()
            self._say(ev.InputAudioBufferStopped())

    def _ask(self, now: float) -> None:
        self._answers.ask(now)
        self._say(ev.ResponseCreate())

    def _say_if_unanswered(self, now: float) -> None:
        """The person's patience may be over."""
        if self._stage is Stage.OPENING:
            problem = f"the session was not there within {OPEN_WITHIN:.0f} s"
        elif not self._number or self._answers.reply is Reply.OVER:
            return
        elif self._answers.reply is Reply.AWAITED:
            problem = f"no answer to turn {self._number} within {ANSWER_WITHIN:.0f} s"
        else:
            problem = f"the answer to turn {self._number} stopped: nothing more for {SILENT_FOR:.0f} s"
        self._show.line(now, Who.ENGINE, problem)
        self._problems.append(UpstreamError(problem))

    def _leave(self, why: str = "all is said and heard") -> None:
        self._gone()
        self._out.append(Close(1000, why))

    def _hung_up(self, code: int, reason: str) -> None:
        """The conversation was ended by somebody else. To be stopped by the operator is no failure."""
        if self._stage is Stage.GONE:
            return
        answered = self._number == len(self._turns) and self._answers.reply is Reply.OVER
        self._show.line(self._now, Who.ENGINE, f"the conversation ends: {reason}")
        if code != _STOPPED and not answered:
            self._problems.append(UpstreamError(reason))
        self._gone()

    def _gone(self) -> None:
        self._stage = Stage.GONE
        self._microphone.off()

    def _say(self, event: ev.Event | None) -> None:
        if event is not None:
            self._out.append(Frame(ev.encode(event)))

"""The embedded model: the whole server side of the Realtime protocol, as a machine without I/O.

This file knows the session, and gives every request to the part that knows what to do: the conversation, the
listener, the answers. What needs the outside is passed in: voice, detector, what to reply, ids, the time of day.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from realtime_engine.events import Error
from realtime_engine.machine import (
    Close,
    Connected,
    Disconnected,
    Done,
    Frame,
    MachineInput,
    MachineOutput,
)
from realtime_engine.objects import ErrorDetail
from realtime_engine.upstreams.local import requests as ask
from realtime_engine.upstreams.local.answers import Answers
from realtime_engine.upstreams.local.conversation import Conversation
from realtime_engine.upstreams.local.desk import Appointment, Desk
from realtime_engine.upstreams.local.frames import Detector
from realtime_engine.upstreams.local.hearing import hearing
from realtime_engine.upstreams.local.ids import Ids
from realtime_engine.upstreams.local.items import Entry, FunctionCallOutput, entry_of, read_audio
from realtime_engine.upstreams.local.listening import Listener
from realtime_engine.upstreams.local.orders import Order, context_of, order_of
from realtime_engine.upstreams.local.problems import RequestError
from realtime_engine.upstreams.local.replies import Replier, parrot
from realtime_engine.upstreams.local.responses import Answer, Studio, Voice
from realtime_engine.upstreams.local.settings import (
    AnySession,
    Session,
    SessionCreated,
    SessionUpdated,
    TranscriptionSession,
    audio_format,
    transcribing,
)
from realtime_engine.upstreams.local.updates import cannot_update_voice, updated

INSTRUCTIONS: Final = (
    "You are the model that is embedded in realtime engine. You say back what is said to you, and say aloud what is "
    "typed to you. You understand nothing."
)

ACKNOWLEDGE_SECONDS: Final = (
    0.04  # from response.done to the items that came before it: after the rate limits, as recorded
)
MOST_EARLY: Final = 100  # items that wait so


class Setting(Struct, frozen=True, kw_only=True):
    """What a model is made of.

    Attributes:
        detector: Makes a voice-activity detector.
        voice: Speaks texts.
        ids: Where ids come from.
        reply: Decides what is said.
        model: The model's name.
        named: The client has named it when it connected, so it stays; else the first update that names one counts.
        transcription: The session is one of transcription from the start, as ``?intent=transcription`` asks.
        pace: How fast audio comes, in times of real time.
        expires_after: Seconds a session may last; None: as long as it likes.
        epoch: When the session begins, in seconds since 1970, for ``expires_at``; needed with ``expires_after``.
    """

    detector: Callable[[], Detector]
    voice: Voice
    ids: Ids
    reply: Replier = parrot
    model: str = "local"
    named: bool = True
    transcription: bool = False
    pace: float = 4.0
    expires_after: float | None = None
    epoch: int = 0


class Model:
    """One connection to the embedded model; a `realtime_engine.machine.Machine`."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._desk = Desk(setting.ids)
        self._open = False
        self._session = _first_session(setting)
        self._fresh = not setting.transcription  # nothing was updated or answered yet
        self._named = setting.named
        self._conversation = Conversation(self._desk)
        self._listener = Listener(
            self._desk,
            self._conversation,
            setting.detector,
            started=self._speech_started,
            ended=self._turn_ended,
        )
        studio = Studio(self._desk, self._conversation, setting.reply, setting.voice, setting.pace)
        self._answers = Answers(studio, self._answered)
        self._early: list[ask.CreateItem] = []  # outputs of calls that are not done yet
        self._idle: Appointment | None = None
        self._configure()

    @property
    def deadline(self) -> float:
        """See `realtime_engine.machine.Machine`."""
        return self._desk.agenda.deadline

    @property
    def waits_for(self) -> str:
        """See `realtime_engine.machine.Machine`."""
        if not self._open:
            return "nothing: it is not connected"
        return "its voice" if self._desk.works else "the client"

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        """See `realtime_engine.machine.Machine`."""
        match given:
            case Connected():
                self._connected(now)
            case Frame() if self._open:
                self._request(now, given)
            case Done(number=number) if self._open:
                self._desk.worked(number, now, given.result if given.error is None else given.error)
            case Disconnected():
                self._leave()
        return self._outgoing()

    def advance(self, now: float) -> Sequence[MachineOutput]:
        """See `realtime_engine.machine.Machine`."""
        self._desk.agenda.run(now)
        return self._outgoing()

    def _outgoing(self) -> Sequence[MachineOutput]:
        """What goes out; a close is the last of it."""
        tray = self._desk.empty()
        for place, output in enumerate(tray, 1):
            if isinstance(output, Close):
                self._leave()
                return tray[:place]
        return tray

    def _leave(self) -> None:
        self._open = False
        self._desk.agenda.clear()
        self._desk.works.clear()

    def _connected(self, now: float) -> None:
        self._open = True
        self._desk.send(SessionCreated(session=self._session))
        seconds = self._setting.expires_after
        if seconds is not None:
            self._desk.agenda.note(now + seconds, partial(self._expire, seconds))

    def _expire(self, seconds: float, _at: float) -> None:
        """The session ends, as it has said it would; a close of 1000 tells nobody of a failure besides."""
        self._desk.send(
            Error(
                error=ErrorDetail(
                    type="invalid_request_error",
                    code="session_expired",
                    message=f"Your session hit the maximum duration of {_duration(seconds)}.",
                    event_id=None,
                )
            )
        )
        self._desk.tray.append(Close(1000, "session_expired"))

    # --- requests -----------------------------------------------------------------------------------------------

    def _request(self, now: float, frame: Frame) -> None:
        try:
            self._dispatch(now, ask.read(frame))
        except RequestError as problem:
            self._desk.send(problem.event(ask.event_id(frame.raw)))

    def _dispatch(self, now: float, request: ask.AnyRequest) -> None:
        match request:
            case ask.Append():
                self._append(now, request)
            case ask.Commit():
                self._listener.commit(now)
            case ask.Clear():
                self._listener.clear()
            case ask.SessionUpdate():
                self._update(request)
            case ask.CreateItem():
                self._create_item(request)
            case ask.RetrieveItem() | ask.TruncateItem() | ask.DeleteItem():
                self._look_at_item(request)
            case ask.CreateResponse():
                self._create_response(now, request.response or ask.Overrides())
            case _:
                self._answers.cancel(now, request.response_id)

    def _append(self, now: float, request: ask.Append) -> None:
        audio = read_audio(request.audio, param="audio")
        if len(audio) > ask.APPEND_BYTES:
            raise RequestError(
                "string_above_max_length",
                f"Invalid 'audio': at most {ask.APPEND_BYTES} bytes may be appended at a time.",
                param="audio",
            )
        self._listener.append(now, audio)

    def _update(self, request: ask.SessionUpdate) -> None:
        self._session = updated(
            self._session,
            request.session,
            fresh=self._fresh,
            named=self._named,
            responding=self._answers.active is not None,
            spoken=self._conversation.spoken,
        )
        self._fresh = False
        self._named = self._named or (isinstance(request.session, dict) and "model" in request.session)
        self._configure()
        self._desk.send(SessionUpdated(session=self._session))

    def _configure(self) -> None:
        """Let the listener know how to hear; without an idle timeout nobody waits for one."""
        given = self._session.audio.input
        self._hearing = hearing(given.turn_detection, answers=isinstance(self._session, Session))
        self._listener.configure(self._hearing, audio_format(given.format), transcribe=given.transcription is not None)
        if self._hearing is None or self._hearing.idle_ms is None:
            self._disarm()

    def _create_item(self, request: ask.CreateItem) -> None:
        """Add a client's item; the output of a call waits until the response that made the call is over.

        So does what comes after it: items are in the order in which they were created.
        """
        item, active = request.item, self._answers.active
        early = isinstance(item, FunctionCallOutput) and active is not None and item.call_id in active.call_ids
        if (early or self._early) and len(self._early) < MOST_EARLY:
            self._early.append(request)
        else:
            self._acknowledge()
            self._add_item(request)

    def _add_item(self, request: ask.CreateItem) -> None:
        given = audio_format(self._session.audio.input.format)
        entry = entry_of(request.item, self._desk.ids, given, root="item")
        self._conversation.add(entry, after=request.previous_item_id or None)
        self._conversation.done(entry)

    def _settle(self, _at: float) -> None:
        """A response has been over for a while; what comes early to the next one waits for that."""
        if self._answers.active is None:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Add the items that came early."""
        early, self._early = self._early, []
        for request in early:
            self._try(partial(self._add_item, request), request.event_id)

    def _look_at_item(self, request: ask.RetrieveItem | ask.TruncateItem | ask.DeleteItem) -> None:
        match request:
            case ask.RetrieveItem():
                self._conversation.retrieve(request.item_id)
            case ask.TruncateItem():
                self._conversation.truncate(request.item_id, request.audio_end_ms)
            case _:
                self._conversation.delete(request.item_id)

    # --- answers ------------------------------------------------------------------------------------------------

    def _order(self, overrides: ask.Overrides, *, idle: bool = False) -> Order:
        if isinstance(self._session, TranscriptionSession):
            message = "Invalid value: 'response.create'. A transcription session has no responses."
            raise RequestError("invalid_value", message, param="type")
        return order_of(self._session, overrides, self._conversation.id, idle=idle)

    def _create_response(self, now: float, overrides: ask.Overrides) -> None:
        order, usual = self._order(overrides), self._order(ask.Overrides())
        if order.conversation_id is not None and order.voice != usual.voice and self._conversation.spoken:
            raise cannot_update_voice("response.audio.output.voice")
        given = audio_format(self._session.audio.input.format)
        self._begin(now, order, context_of(overrides, self._conversation, self._desk.ids, given))

    def _begin(self, at: float, order: Order, context: Sequence[Entry] | None = None) -> None:
        """Begin an answer; while there is one in the conversation, nobody is idle."""
        self._fresh = False
        if self._answers.active is None:
            self._acknowledge()
        self._answers.begin(at, order, context)
        if self._answers.active is not None:
            self._disarm()

    def _answered(self, answer: Answer, at: float) -> None:
        """The answer in the conversation has ended: what waited for that goes on."""
        self._desk.agenda.note(at + ACKNOWLEDGE_SECONDS, self._settle)
        self._arm(at, 0.0 if answer.status == "cancelled" else answer.meter.audio_ms / 1000)

    # --- turns --------------------------------------------------------------------------------------------------

    def _speech_started(self, at: float) -> None:
        if self._hearing is not None and self._hearing.interrupt:
            self._answers.interrupt(at)
        self._disarm()

    def _turn_ended(self, at: float) -> None:
        if self._hearing is not None and self._hearing.respond:
            self._try(partial(self._begin, at, self._order(ask.Overrides())), None)

    def _arm(self, at: float, audio_seconds: float) -> None:
        """Wait for the user; the time counts from when the last answer's audio has been played."""
        if self._hearing is not None and self._hearing.idle_ms is not None:
            seconds = audio_seconds + self._hearing.idle_ms / 1000
            self._idle = self._desk.agenda.note(at + seconds, partial(self._nudge, self._hearing.idle_ms))

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    def _nudge(self, idle_ms: int, at: float) -> None:
        """Nobody has spoken for long: the model does."""
        if self._listener.speaking:
            return
        self._listener.nudge(at, idle_ms)
        self._begin(at, self._order(ask.Overrides(), idle=True))

    def _try(self, do: Callable[[], None], event_id: str | None) -> None:
        """Do what was asked; what is wrong with it is told in one ``error`` event."""
        try:
            do()
        except RequestError as problem:
            self._desk.send(problem.event(event_id))


def _first_session(setting: Setting) -> AnySession:
    """The session before a client has changed it."""
    session = Session(
        id=setting.ids.new("sess"),
        model=setting.model,
        instructions=INSTRUCTIONS,
        expires_at=0 if setting.expires_after is None else int(setting.epoch + setting.expires_after),
    )
    return transcribing(session) if setting.transcription else session


def _duration(seconds: float) -> str:
    """How long, in plain figures: ``0.5 seconds``, ``1 minute``, ``1.67 minutes``."""
    number, unit = (seconds, "second") if seconds < 60 else (seconds / 60, "minute")
    figure = f"{number:.2f}".rstrip("0").rstrip(".")
    return f"{figure} {unit}" if figure == "1" else f"{figure} {unit}s"

"""One conversation as a client holds it. No clock, no socket, no Trio.

What the application wants goes in, and what the server says; out come frames for the server, functions to be called,
and updates for the application.

It is put together from the machines that a session is made of, one file each. What differs is who decides: here the
application does, and is told everything.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from realtime_engine import events as ev
from realtime_engine.audio import PCM16, AudioFormat, decode_base64
from realtime_engine.commands import RunTool
from realtime_engine.conversation import Entry, entry_of
from realtime_engine.dialect import to_ga
from realtime_engine.errors import UsageError
from realtime_engine.inputs import Kind, Message, ToolResult
from realtime_engine.interruption import Interruption
from realtime_engine.item_updates import ItemUpdates, Keep
from realtime_engine.items import Item
from realtime_engine.objects import ContentPart, ErrorDetail, Json, Response, StatusDetails, TurnDetection, text
from realtime_engine.objects import Item as WireItem
from realtime_engine.options import ToolSchema
from realtime_engine.playback import Heard, Playback
from realtime_engine.responses import NOT_ACTIVE, ResponseRecord, Responses, is_out_of_band
from realtime_engine.session_settings import AskedSettings, Settings
from realtime_engine.spoken_turns import SpokenTurns
from realtime_engine.updates import (
    ErrorReported,
    Interrupted,
    ResponseEnded,
    ResponseStarted,
    SessionChanged,
    ToolCalled,
    ToolEnded,
    ToolFailed,
    Unexpected,
    Update,
)

MOST_CALLS: Final = 256
"""Calls that may be open at once; a model that makes more is told that they are not made."""

_ASKED: Final = ""
"""Stands for the id of an answer that was asked for and has not begun."""

_ODDITIES: Final = 100  # different things that are told once; more is a server that babbles
_ODDITY: Final = 500  # characters of each: they may be the server's own


class Todo(NamedTuple):
    """What is to be done now, in order: frames for the server, functions to be called, updates for the application."""

    frames: Sequence[bytes]
    calls: Sequence[RunTool]
    updates: Sequence[Update]


class Dialogue:
    """A conversation over one connection.

    ``now`` is in seconds on the client's clock, never decreasing.

    Attributes:
        asked: What the session was asked to be.
        session: What it is, by the server's word; None: the server has said nothing yet.
        items: The conversation.
    """

    def __init__(self, asked: AskedSettings, schemas: Callable[[], Sequence[ToolSchema]], keep: Keep) -> None:
        """Begin.

        Args:
            asked: What the session is to be.
            schemas: The functions that the client runs, as they are at the time.
            keep: How much is kept.
        """
        self.asked = asked
        self.session: dict[str, Json] | None = None
        self.items = ItemUpdates(keep)
        self._schemas = schemas
        self._turns = SpokenTurns(seconds=keep.microphone)
        self._playback = Playback(lead=None)
        self._interruption = Interruption()
        self._responses = Responses()
        self._turn_detection: TurnDetection | None = TurnDetection()
        self._input_format = PCM16
        self._ending: str | None = None  # the answer that the server stops by itself, or was told to stop
        self._calls: dict[str, Item] = {}  # those that are open
        self._oddities: set[str] = set()
        self._invented = 0
        self._frames: list[bytes] = []
        self._to_run: list[RunTool] = []
        self._updates: list[Update] = []

    def take(self) -> Todo:
        """What is to be done; each thing is given once."""
        todo = Todo(self._frames, self._to_run, self._updates)
        self._frames, self._to_run, self._updates = [], [], []
        return todo

    @property
    def input_format(self) -> AudioFormat:
        """The format of the user's speech that is asked for, or that the server has."""
        asked = self.asked.input_format if self._unconfirmed else None
        return asked or self._input_format

    @property
    def output_format(self) -> AudioFormat:
        """The format of the model's speech."""
        return self._playback.format

    @property
    def turn_detection(self) -> str | None:
        """The kind that is asked for, or that the server has; None: the application says when a turn is over."""
        asked = self.asked.turn_detection
        if asked is not UNSET and self._unconfirmed:
            return str(asked.get("type", TurnDetection().type)) if isinstance(asked, dict) else None
        return None if self._turn_detection is None else self._turn_detection.type

    @property
    def _unconfirmed(self) -> bool:
        """Whether the server has yet to say what has become of all that was asked of the session."""
        return self.asked.awaited or self.session is None

    @property
    def deadline(self) -> float:
        """When `advance` has something to do, or ``inf``."""
        return self._responses.deadline

    def advance(self, now: float) -> None:
        """Do what is due."""
        self._create_if_possible(now)

    # --- the session ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The connection is there: the server is told what the session is to be, if anything was said of it."""
        if self.asked.current.keys() - {"type"} or self._schemas():
            event_id = self._invent()
            self.asked.begin(event_id)
            self._update(self.asked.whole(self._schemas()), event_id)

    def update(self, settings: Settings, event_id: str = "", *, again: bool = False) -> None:
        """Ask for a change of the session, perhaps ``again``; the server is told all of it anew.

        Raises:
            UsageError: It cannot be written as JSON, or two functions have one name.
        """
        event_id = event_id or self._invent()
        self.asked.change(settings, event_id, again=again)
        try:
            session = self.asked.whole(self._schemas())
        except UsageError:
            self.asked.refused(event_id)
            raise
        self._update(session, event_id)

    def _update(self, session: Mapping[str, Json], event_id: str) -> None:
        for name in sorted(self.asked.lost):
            self.left_out(name)
        self._say(ev.SessionUpdate(event_id=event_id, session=Raw(msgspec.json.encode(session))))

    # --- the user -------------------------------------------------------------------------------------------

    def message(self, role: str, parts: Sequence[ContentPart], *, after: str | None = None) -> str:
        """Somebody says something that is there as a whole, at the end or after an item; the id of the new item."""
        item_id = f"item_client_{self._count()}"
        sounds = [decode_base64(part.audio) for part in parts if isinstance(part.audio, str)]
        if sounds:
            self.items.audio.put(item_id, b"".join(sounds))
        item = WireItem(id=item_id, type="message", role=role, content=tuple(parts))
        previous = UNSET if after is None else after
        create = ev.ConversationItemCreate(event_id=self._invent(), previous_item_id=previous, item=item)
        self._frames.append(self._in_ga(ev.encode(create)))
        return item_id

    def append(self, now: float, audio: bytes) -> None:
        """The user speaks."""
        self._turns.use(self.input_format)
        self._frames += [ev.append_frame(chunk.audio) for chunk in self._turns.append(now, audio)]

    def commit(self, event_id: str = "") -> None:
        """The user's turn is over."""
        event_id = event_id or self._invent()
        self._turns.commit(event_id)
        self._say(ev.InputAudioBufferCommit(event_id=event_id))

    def clear(self, event_id: str = "") -> None:
        """The user takes back what was said."""
        self._turns.clear()
        self._say(ev.InputAudioBufferClear(event_id=event_id or self._invent()))

    def delete(self, item_id: str) -> None:
        """Take an item out of the conversation."""
        self._say(ev.ConversationItemDelete(event_id=self._invent(), item_id=item_id))

    def retrieve(self, item_id: str) -> None:
        """Ask for an item with its sound."""
        self._say(ev.ConversationItemRetrieve(event_id=self._invent(), item_id=item_id))

    # --- the model ------------------------------------------------------------------------------------------

    def create(self, now: float, response: Mapping[str, object] | None = None) -> None:
        """Ask for an answer, when the one that is under way is over; where turns are manual, what was said is one now.

        Raises:
            UsageError: ``response`` cannot be written as JSON, or too many answers are asked for.
        """
        asked = UNSET if response is None else Raw(_json(response, "a response"))
        if self._turns.half_said and self.turn_detection is None:
            self.commit()
        self._ask(now, ev.ResponseCreate(event_id=self._invent(), response=asked))

    def cancel(self, now: float, item_id: str | None = None, samples: int = 0) -> Item | None:
        """Stop the answer that is under way. With an item: the answer that it belongs to, cut to what was heard of it.

        Args:
            now: The time.
            item_id: A message that the model has spoken.
            samples: How much of it was heard; more than has come is all of it.

        Raises:
            UsageError: There is no such item, or it is none that the model has spoken.
        """
        if item_id is None:
            self._stop()
            return None
        item = self._spoken(item_id)
        if samples < 0:
            raise UsageError(f"{samples} samples cannot have been heard")
        more = item.response_id in self._responses.running
        self._playback.cut(now, self._responses.running)
        if item.response_id in ("", self._responses.active):
            self._stop()
        self._stop_beside([item.response_id])
        there = int(item.audio_ms) if item.heard_ms is None else item.heard_ms  # the server refuses to cut off more
        heard_ms = min(samples * 1000 // self.output_format.sample_rate, there)
        place = self.items.audio.content_index(item.id)
        self._truncate([Heard(item.response_id, item.id, place, heard_ms, int(item.audio_ms), more)])
        return item

    def interrupt(self, now: float) -> None:
        """Stop the answer, and cut what is unheard to what was heard: by the application's reports, or by the time."""
        heard = self._playback.cut(now, self._responses.running)
        self._stop()
        self._stop_beside([each.response_id for each in heard])
        self._truncate([each for each in heard if self._in_conversation(each.response_id)])

    def played(self, now: float, item_id: str, samples: int) -> None:
        """The application says how much of an item's speech has been heard by now."""
        ms = samples * 1000 / self.output_format.sample_rate
        self._playback.report(now, item_id, self.items.audio.content_index(item_id), ms)

    def answer(self, now: float, result: ToolResult) -> bool:
        """A function has its result: the model gets it, and goes on when it was the last of its response.

        Returns:
            Whether anybody has waited for it.
        """
        record = self._responses.answered(result.call_id)
        if record is None:
            return False
        item = self._calls.pop(result.call_id)
        output = WireItem(type="function_call_output", call_id=result.call_id, output=result.output)
        self._say(ev.ConversationItemCreate(event_id=self._invent(), item=output))
        self._updates.append((ToolFailed if result.failed else ToolEnded)(item, result.output))
        self._go_on(now, record)
        return True

    def send(self, now: float, event: Mapping[str, object] | ev.Event) -> None:
        """Say anything. What concerns answers, settings or the microphone is taken in as if it were asked for above.

        Raises:
            UsageError: It is no event, or cannot be written as JSON.
        """
        raw = _json(event, "an event")
        said = ev.decode(raw)
        if not said.type:
            raise UsageError("an event has a type: give it one")
        raw = self._with_id(self._in_ga(raw))
        said = ev.decode(raw)
        event_id = text(said.event_id)
        match said:
            case ev.SessionUpdate(session=session):
                self.update(msgspec.json.decode(session), event_id)
            case ev.InputAudioBufferAppend(audio=audio):
                self.append(now, _decoded(audio))
            case ev.InputAudioBufferCommit():
                self.commit(event_id)
            case ev.InputAudioBufferClear():
                self.clear(event_id)
            case ev.ResponseCreate():
                self._ask(now, said, raw)
            case _:
                if isinstance(said, ev.ConversationItemCreate):
                    self._answered_by_hand(text(said.item.call_id))
                self._frames.append(raw)

    def _answered_by_hand(self, call_id: str) -> None:
        """The application gives a call's output itself, and so asks itself for what follows."""
        record = self._responses.answered(call_id)
        if record is not None:
            record.answered_calls -= 1
            del self._calls[call_id]

    def _spoken(self, item_id: str) -> Item:
        item = self.items.get(item_id)
        if item is None:
            raise UsageError(f"there is no item {item_id!r} in the conversation")
        if item.role not in ("assistant", "") or not item.audio_ms:
            raise UsageError(f"the item {item_id!r} is nothing that the model has spoken: it cannot be cut")
        return item

    def _stop(self) -> None:
        """Stop the answer that is under way or asked for. The server is told once, and not if it stops it by itself."""
        active = self._responses.active
        stopped = _ASKED if active is None and self._responses.asked else active
        if stopped is not None and stopped != self._ending:
            named = UNSET if active is None else active
            self._say(ev.ResponseCancel(event_id=self._invent(), response_id=named))
        self._ending = stopped
        self._responses.withdraw()

    def _stop_beside(self, responses: Sequence[str]) -> None:
        """Nothing more of these is heard; those that run beside the conversation are stopped."""
        running = dict.fromkeys(each for each in responses if each in self._responses.running)
        for response_id in running:
            if response_id != self._responses.active and not self._interruption.drops(response_id):
                self._say(ev.ResponseCancel(event_id=self._invent(), response_id=response_id))
        self._interruption.cut(responses)

    def _truncate(self, heard: Sequence[Heard]) -> None:
        for truncation in self._interruption.truncate(heard):
            self._say(replace(truncation, event_id=self._invent()))

    def _ask(self, now: float, create: ev.ResponseCreate, raw: bytes = b"") -> None:
        raw = raw or self._in_ga(ev.encode(create))
        if is_out_of_band(create):
            self._frames.append(raw)
        elif self._responses.ask(raw):
            self._create_if_possible(now)
        else:
            raise UsageError("too many answers are asked for: wait until some have come")

    def _go_on(self, now: float, record: ResponseRecord) -> None:
        if record.take_answer():  # where there is no room for it, many are asked for, and each of them goes on
            self._responses.ask(ev.encode(ev.ResponseCreate(event_id=self._invent())))
        self._create_if_possible(now)

    def _create_if_possible(self, now: float) -> None:
        create = self._responses.next_create(now)
        if create is not None:
            self._ending = None if self._ending == _ASKED else self._ending
            self._frames.append(create)

    def _in_conversation(self, response_id: str) -> bool:
        record = self._responses.get(response_id)
        return record is None or not record.out_of_band

    # --- what the server says -------------------------------------------------------------------------------

    def heard(self, now: float, message: Message) -> None:
        """Take in one message of the server.

        Raises:
            msgspec.DecodeError: It is not a JSON object: with this server nobody can speak.
        """
        if message.kind is Kind.BINARY:
            self._wonder("a binary message")
            return
        event = message.event
        match event:
            case ev.UnknownEvent(problem=problem):
                if problem:
                    self._wonder(f"{event.type} in an unknown shape: {problem}")
            case ev.ResponseOutputAudioDelta():
                self._speech(now, event)
            case ev.SessionCreated() | ev.SessionUpdated():
                self._session_changed(event, message.raw)
            case _:
                self._apply(now, event)

    def _apply(self, now: float, event: ev.Event) -> None:
        self._updates += self.items.apply(event)
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, now, event)

    def _speech(self, now: float, event: ev.ResponseOutputAudioDelta) -> None:
        try:
            audio = decode_base64(msgspec.json.decode(event.delta, type=str))
        except (ValueError, msgspec.DecodeError):
            self._wonder("speech that is no base64")
            return
        response_id = text(event.response_id) or self._responses.active or ""  # xAI leaves it out
        heard = not self._interruption.drops(response_id)
        if heard:
            self._playback.add(now, response_id, event.item_id, event.content_index, len(audio))
        self._updates += self.items.speech(event, response_id, audio, heard=heard)
        if not heard and self._in_conversation(response_id):
            for truncation in self._interruption.late(event.item_id, event.content_index):
                self._say(replace(truncation, event_id=self._invent()))

    def _session_changed(self, event: ev.SessionCreated | ev.SessionUpdated, raw: bytes) -> None:
        if isinstance(event, ev.SessionUpdated):
            self.asked.granted()
        session = event.session
        if session.turn_detection is not UNSET:
            self._turn_detection = session.turn_detection
        if session.input_format is not UNSET:
            self._input_format = session.input_format
        if session.output_format is not UNSET:
            self._playback.format = self.items.audio.format = session.output_format
        self.session = msgspec.json.decode(msgspec.json.decode(raw, type=_WithSession).session)
        self._updates.append(SessionChanged(self.session))

    def _speech_started(self, now: float, event: ev.SpeechStarted) -> None:
        if self._turn_detection is not None and self._turn_detection.interrupt_response:
            self._ending = self._responses.active
        self._updates.append(Interrupted())

    def _speech_stopped(self, now: float, event: ev.SpeechStopped) -> None:
        if self._turn_detection is not None and self._turn_detection.create_response:
            self._responses.expect(now)

    def _committed(self, now: float, event: ev.InputAudioBufferCommitted) -> None:
        entry = self.items.conversation.get(event.item_id)
        start_ms, end_ms = (None, None) if entry is None else (entry.start_ms, entry.end_ms)
        sound = self._turns.committed(start_ms, end_ms)
        if sound:
            self.items.audio.put(event.item_id, sound)

    def _not_written_down(self, now: float, event: ev.InputTranscriptionFailed) -> None:
        self._updates.append(ErrorReported(event.error, self.items.get(event.item_id)))

    def _failed(self, now: float, event: ev.Error) -> None:
        named = text(event.error.event_id)
        again = self.asked.refused(named)
        if again is not None:
            with suppress(UsageError):  # what was asked for since does not go with it
                self.update(again, again=True)
        self._turns.refused(named)
        active = self._responses.active
        if active is not None and active == self._ending and event.error.code == NOT_ACTIVE:
            self._responses.vanished()
        if not self._responses.collided(event):  # else it is asked for again, when the other answer is over
            self._updates.append(ErrorReported(event.error))
            self._create_if_possible(now)

    def _response_created(self, now: float, event: ev.ResponseCreated) -> None:
        self._responses.created(event)
        if self._ending == _ASKED:
            self._ending = self._responses.active
        metadata = event.response.metadata
        self._updates.append(ResponseStarted(event.response.id, metadata if isinstance(metadata, dict) else {}))

    def _response_done(self, now: float, event: ev.ResponseDone) -> None:
        response = event.response
        for item in response.output:
            entry = self.items.conversation.get(text(item.id))
            if item.id is not UNSET and not (entry is not None and entry.called):  # its own end was left out
                self._apply(now, ev.ResponseOutputItemDone(response_id=response.id, item=item))
        if response.status == "completed":
            for entry in self.items.conversation.not_called(response.id):
                self._call(now, response.id, entry)
        record = self._responses.done(event)
        goes_on = record.status == "completed" and bool(record.open_calls or record.answered_calls)
        self._updates.append(ResponseEnded(response.id, record.status, _problem(response), event.used, goes_on))
        self._go_on(now, record)

    def _output_item_done(self, now: float, event: ev.ResponseOutputItemDone) -> None:
        entry = self.items.conversation.get(text(event.item.id)) or entry_of(event.item)
        if entry.can_be_called:
            self._call(now, text(event.response_id) or self._responses.active or "", entry)

    def _call(self, now: float, response_id: str, entry: Entry) -> None:
        """A function call that is whole is handed out, once."""
        entry.called = True
        item, call_id = self.items.of(entry), entry.call_id
        if call_id in self._responses.our_calls or not call_id:
            self._wonder(f"a call of {entry.name} without an id of its own: {call_id!r}")
            return
        ours = self._in_conversation(response_id)
        self._responses.call(response_id, call_id, ours=ours)
        runs = ours and self._runs(entry.name)
        self._updates.append(ToolCalled(item, runs))
        if ours:
            self._calls[call_id] = item
        if len(self._calls) > MOST_CALLS:
            self.answer(now, ToolResult(call_id, f"not called: {MOST_CALLS} calls are open", failed=True))
        elif runs:
            self._to_run.append(RunTool(call_id, entry.name, entry.arguments))

    def _runs(self, name: str) -> bool:
        """Whether the client sees to it that a call is answered: also one of a function that nobody knows."""
        return name not in self.asked.by_hand

    def left_out(self, name: str) -> None:
        """Something that the application asks for, and the server has not."""
        self._wonder(f"asked for {name}, which there is not: left out")

    # --- small things ---------------------------------------------------------------------------------------

    def _say(self, event: ev.Event) -> None:
        self._frames.append(ev.encode(event))

    def _count(self) -> int:
        self._invented += 1
        return self._invented

    def _invent(self) -> str:
        """The id of an event, so that an error can name it."""
        return f"event_client_{self._count()}"

    def _in_ga(self, raw: bytes) -> bytes:
        """What the application says, though it be in the words of the beta."""
        said, lost = to_ga(raw)
        for name in lost:
            self.left_out(name)
        return said

    def _with_id(self, raw: bytes) -> bytes:
        if "event_id" in msgspec.json.decode(raw, type=dict[str, Raw]):
            return raw
        return b'{"event_id":"%b",%b' % (self._invent().encode(), raw[1:])

    def _wonder(self, what: str) -> None:
        """Tell of something that the protocol does not have, once."""
        what = what[:_ODDITY]
        if what not in self._oddities and len(self._oddities) < _ODDITIES:
            self._oddities.add(what)
            self._updates.append(Unexpected(what))


class _WithSession(Struct):
    session: Raw


def _json(value: object, what: str) -> bytes:
    try:
        return msgspec.json.encode(dict(value) if isinstance(value, Mapping) else value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{what} cannot be written as JSON: {error}") from error


def _decoded(audio: str) -> bytes:
    try:
        return decode_base64(audio)
    except ValueError as error:
        raise UsageError("the audio of an event is base64") from error


def _problem(response: Response) -> ErrorDetail | None:
    """Why a response failed, as far as that is said."""
    details = response.status_details
    if isinstance(details, str):
        return ErrorDetail(message=details)
    return details.error if isinstance(details, StatusDetails) and isinstance(details.error, ErrorDetail) else None


_HANDLERS: Final[dict[type[ev.Event], Callable[[Dialogue, float, Any], None]]] = {  # each takes its own event
    ev.SpeechStarted: Dialogue._speech_started,
    ev.SpeechStopped: Dialogue._speech_stopped,
    ev.InputAudioBufferCommitted: Dialogue._committed,
    ev.InputTranscriptionFailed: Dialogue._not_written_down,
    ev.Error: Dialogue._failed,
    ev.ResponseCreated: Dialogue._response_created,
    ev.ResponseDone: Dialogue._response_done,
    ev.ResponseOutputItemDone: Dialogue._output_item_done,
}

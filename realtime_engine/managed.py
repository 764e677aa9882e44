"""A managed session: the front is a microphone, a loudspeaker and a screen, and the session does the rest.

It gathers microphone audio, lets speech out in time, cuts an answer that is spoken over, runs the tools, sees to it
that responses do not collide, and goes on with another connection where one is lost. It is put together from small
machines, one file each.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from realtime_engine import events as ev
from realtime_engine.audio import base64_size, decode_base64
from realtime_engine.commands import RunTool, Send, Span
from realtime_engine.conversation import Conversation, Entry, entry_of
from realtime_engine.input_audio import Chunk, InputAudio, RecentAudio
from realtime_engine.inputs import Kind, Message, Side, ToolResult
from realtime_engine.interruption import Interruption
from realtime_engine.limits import Meter
from realtime_engine.objects import Item, Response, StatusDetails, TurnDetection, text
from realtime_engine.options import Reconnect, SessionOptions
from realtime_engine.outbox import Outbox, Overfull, Upstream
from realtime_engine.playback import HeldSpeech, Playback
from realtime_engine.policy import Changed, Refused, judge
from realtime_engine.reconnection import Reconnection
from realtime_engine.recovery import Recovery
from realtime_engine.responses import EXPIRED, ResponseRecord, Responses, is_out_of_band
from realtime_engine.sounding import Sounding


class Managed:
    """What a managed session does with each message.

    Attributes:
        conversation: The items so far.
        recent_audio: The newest microphone audio, by the server's milliseconds.
        reconnection: When a lost connection is made again.
        complaint: The server's last word, if that was an error, and when it said so.
    """

    def __init__(self, options: SessionOptions, out: Outbox, meter: Meter) -> None:
        self._options = options
        self._out = out
        self._meter = meter
        self._tools = frozenset(tool.name for tool in options.tools)
        self.conversation = Conversation(keep=options.keep_items)
        self.recent_audio = RecentAudio(seconds=options.keep_audio)
        self._microphone = InputAudio(flush_bytes=options.flush_bytes, flush_seconds=options.flush_seconds)
        self.reconnection = Reconnection(options.reconnect or _NEVER)
        self.complaint: tuple[float, ev.Error] | None = None
        self._recovery = Recovery(options)
        self._playback = Playback(lead=options.lead)
        self._interruption = Interruption()
        self._responses = Responses()
        self._turn_detection: TurnDetection | None = TurnDetection()
        self._speaking = False  # the user, by the server's word or by the front's
        self._spoken_turn = False  # by the front's word, and not yet answered
        self._front_speaks = False  # the user, by the front's word
        self._turn_waits = False  # for the server to answer it by itself
        self._sounding = Sounding(self._playback, out)
        self._called: dict[str, str] = {}  # the functions of the calls that run
        self._spoken = 0  # bytes of speech received since the conversation began

    # --- time -----------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When something is due: microphone audio, held speech, the end of an answer, a late report."""
        return min(
            self._microphone.deadline,
            self._playback.release_at,
            self._interruption.deadline,
            self._responses.deadline,
            self.reconnection.deadline,
            self._sounding.deadline,
        )

    def advance(self, now: float) -> None:
        """Do what is due."""
        if now >= self._microphone.deadline:
            self._send_microphone(self._microphone.flush())
        while (speech := self._playback.release(now)) is not None:
            self._send_speech(speech)
        self._send_truncations(self._interruption.due(now))
        self._sounding.stop_heard(now)
        self._create_if_possible(now)

    def idle(self, now: float) -> bool:
        """Whether nothing is under way: no response, no call, no speech, nothing unheard."""
        return not (self._responses.under_way or self._speaking or self._interruption.waiting) and self.silent(now)

    def silent(self, now: float) -> bool:
        """Whether nothing that came from the model is unheard."""
        return not self._playback.unheard(now)

    def quiet(self, now: float) -> bool:
        """Whether the connection may be made anew: nothing is under way, nor half said where turns are manual."""
        half_said = self._turn_detection is None and self._recovery.half_said(self.recent_audio)
        return self.idle(now) and not half_said

    @property
    def open_calls(self) -> Sequence[str]:
        """The calls that the engine runs now."""
        return self._responses.open_calls

    # --- who is there ---------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Say who answers, what is pinned, and what may be set."""
        policy = self._options.policy
        session = ev.EngineSession(
            event_id=self._out.invent_id(),
            upstream=self._options.upstream,
            pinned=policy.pinned,
            may_set=UNSET if policy.may_set == "all" else policy.may_set,
        )
        self._out.to_front(session)

    def upstream_opened(self, now: float) -> None:
        """The settings go first, then, if it is there again, what it needs to go on, then all that has waited."""
        self.reconnection.opened(now)
        for event in self._recovery.begin(self.conversation, self._out.invent_id):
            self._out.settle(event) if isinstance(event, ev.SessionUpdate) else self._out.to_upstream(event)
        for lack in self._recovery.lacks:
            self._out.note(lack)
        self._out.send_pending()
        if self._options.reconnect is not None:
            self._create_if_possible(now)

    def front_left(self) -> None:
        """The rest of the microphone's audio goes upstream."""
        self._send_microphone(self._microphone.stop())

    def upstream_left(self, now: float) -> None:
        """What was held goes to the front; nothing more will come of what was under way."""
        for speech in self._playback.release_all():
            self._send_speech(speech)
        self._responses.connection_lost()
        self._speaking = False
        self._sounding.all_done(now)

    def upstream_lost(self, now: float) -> None:
        """The upstream is gone, and will be there again: what has come of it is heard, what it missed is kept.

        What waits for the next connection begins with what the last one has not made use of.
        """
        again = self._is_to_be_asked_again(self._responses.active)
        create = ev.encode(ev.ResponseCreate(event_id=self._out.invent_id()))
        lost = self._responses.suspend(again=again, unanswered=self._turn_waits, create=create)
        for record in lost:
            self._out.to_front(_cut_off(record, self._out.invent_id()))
        self._speaking, self._turn_waits = self._front_speaks, False
        self._sounding.all_done(now)
        self._interruption.forget()
        missed = self._recovery.part(self.conversation, self.recent_audio)
        self.recent_audio = RecentAudio(seconds=self._options.keep_audio, format=self._microphone.format)
        for each in missed:
            if isinstance(each, Chunk):
                self._send_microphone([each])
            else:
                self._out.send_upstream(each.raw)
                self._told(each.event, each.raw)
        for record in lost:
            self._go_on(now, record)

    def _is_to_be_asked_again(self, active: str | None) -> bool:
        """Whether nothing has come of the answer that was under way, and nobody has cut it."""
        if active is None:
            return False
        came = self.conversation.broken_off(active) or self._responses.came_of(active)
        return not (came or self._interruption.drops(active))

    # --- from the front -------------------------------------------------------------------------------------

    def front_said(self, now: float, message: Message) -> None:
        """Microphone audio, or an event, as far as the policy lets it through."""
        if message.kind is Kind.BINARY:
            self._hear(now, message.raw)
            return
        verdict = judge(message.raw, self._options.policy, managed=True, our_calls=self._responses.our_calls)
        if isinstance(verdict, Refused):
            self._out.refuse(verdict)
            return
        raw = message.raw
        if isinstance(verdict, Changed):
            raw = verdict.raw
            self._out.note(f"not for the front to set: {verdict.told}")
        event = message.event if raw is message.raw else ev.decode(raw)
        if isinstance(event, ev.ResponseCreate) and not is_out_of_band(event):
            self._ask(now, bytes(raw) if event.event_id is not UNSET else self._out.with_id(raw))
            return
        if isinstance(event, _NAMES_ITEM) and (name := self._recovery.name_now(event.item_id)) != event.item_id:
            event = replace(event, item_id=name)
            raw = ev.encode(event)
        if isinstance(event, ev.ResponseCancel) and event.response_id in (UNSET, None, self._responses.active):
            self._interrupt(now, cancel=True)
            return
        if isinstance(event, ev.ConversationItemTruncate) and self._is_cut(event):
            self._out.note("the front cuts an answer that was cut at least as short: nothing is left to do")
            return
        handle = _FRONT.get(event.type)
        if handle is not None:
            handle(self, now, event)
        if handle is None or event.type in _FRONT_PASSED_ON:
            self._out.forward(message) if raw is message.raw else self._out.send_upstream(raw)
            self._told(event, raw)

    def _hear(self, now: float, audio: bytes) -> None:
        if self._turn_detection is None and audio and not self._options.detects_speech:
            self._interrupt(now, cancel=True)  # manual turns: who speaks during the answer means to interrupt it
        self._send_microphone(self._microphone.append(now, audio))

    def _send_microphone(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self.recent_audio.append(chunk)
            self._out.send_upstream(ev.append_frame(chunk.audio), audio=chunk.span)

    def _front_append(self, now: float, event: ev.InputAudioBufferAppend | ev.UnknownEvent) -> None:
        try:
            audio = decode_base64(event.audio if isinstance(event, ev.InputAudioBufferAppend) else "?")
        except ValueError:
            self._out.to_front(self._out.error("invalid_value", "Invalid 'audio': not base64.", param="audio"))
        else:
            self._hear(now, audio)

    def _front_stopped(self, now: float, event: ev.Event) -> None:
        self._send_microphone(self._microphone.stop())

    def _front_cleared(self, now: float, event: ev.Event) -> None:
        self._microphone.clear()

    def _front_interrupts(self, now: float, event: ev.Event) -> None:
        self._interrupt(now, cancel=True)

    def _front_truncates(self, now: float, event: ev.ConversationItemTruncate | ev.UnknownEvent) -> None:
        if isinstance(event, ev.ConversationItemTruncate):  # or else the server says what is wrong with it
            self._interruption.truncated_by_front(event.item_id, event.audio_end_ms)

    def _front_hears_speech(self, now: float, event: ev.Event) -> None:
        self._speaking = self._front_speaks = self._spoken_turn = True
        self._interrupt(now, cancel=True)

    def _front_is_unsure(self, now: float, event: ev.Event) -> None:
        """What may be speech is no reason to do anything: what the front does meanwhile its reports tell."""

    def _front_hears_silence(self, now: float, event: ev.Event) -> None:
        """The turn is over: the server commits it when it hears so too; where turns are manual it is told."""
        self._speaking = self._front_speaks = False
        if self._turn_detection is None and self._spoken_turn:
            self._send_microphone(self._microphone.flush())
            self._tell(ev.InputAudioBufferCommit(event_id=self._out.invent_id()))
            self._answer_turn(now)

    def _sound_card(self, now: float, event: ev.EngineSoundCard | ev.UnknownEvent) -> None:
        if isinstance(event, ev.UnknownEvent):
            self._out.to_front(self._out.error("invalid_value", f"Invalid '{event.type}': {event.problem}"))
            return
        self._out.note(
            f"the sound card is {event.state}: {event.overruns} times microphone audio was lost, "
            f"{event.underruns} times the speaker had to wait"
        )

    def _answer_turn(self, now: float) -> None:
        """Ask for an answer to what the front's detector heard."""
        self._spoken_turn = False
        self._ask(now, ev.encode(ev.ResponseCreate(event_id=self._out.invent_id())))

    def _front_played(self, now: float, event: ev.OutputAudioBufferPlayed | ev.UnknownEvent) -> None:
        if isinstance(event, ev.UnknownEvent):
            self._out.to_front(self._out.error("invalid_value", f"Invalid '{event.type}': {event.problem}"))
            return
        self._playback.report(now, event.item_id, event.content_index, event.audio_ms)
        if isinstance(event.cleared_event_id, str):
            truncations = self._interruption.report(
                event.cleared_event_id, event.item_id, event.content_index, event.audio_ms
            )
            self._send_truncations(truncations)
        self._sounding.stop_heard(now)
        self._create_if_possible(now)

    # --- from the upstream ----------------------------------------------------------------------------------

    def upstream_said(self, now: float, message: Message) -> None:
        """An event of the server: taken in, and passed on to the front unless it has become pointless."""
        self.complaint = None
        if message.kind is Kind.BINARY:
            self._out.note("the upstream sent a binary frame, which the protocol does not have: passed on")
            self._out.forward(message)
            return
        plain = ev.read_plain_speech(message.raw)
        if plain is not None:
            self._speech(now, message, *plain)
            return
        event = message.event
        if isinstance(event, ev.ResponseOutputAudioDelta):
            self._speech(now, message, event, base64_size(event.delta))
            return
        if isinstance(event, ev.UnknownEvent) and event.problem:
            self._out.note(f"{event.type} in an unknown shape, passed on: {event.problem}")
        if isinstance(event, ev.Error) and self._responses.collided(event):
            self._out.note("a response.create met an active response, and waits for it")
            return
        if self._recovery.repeats(event):
            self._repeated(now, event)
            return
        if isinstance(event, ev.ConversationItemDeleted):
            event = self._deleted_then(message, event)
        else:
            self._out.forward(message)
        self.conversation.apply(event)
        handle = _UPSTREAM.get(type(event))
        if handle is not None:
            handle(self, now, event)

    def _speech(self, now: float, message: Message, delta: ev.ResponseOutputAudioDelta, size: int) -> None:
        response_id = text(delta.response_id) or self._responses.active or ""  # xAI leaves it out
        item_id, content_index = delta.item_id, delta.content_index
        start, self._spoken = self._spoken, self._spoken + size
        self.conversation.spoken(item_id, response_id, self._playback.format.ms(size))
        if self._interruption.drops(response_id):
            if self._in_conversation(response_id):
                self._send_truncations(self._interruption.late(item_id, content_index))
            return
        if self._playback.add(now, response_id, item_id, content_index, size):
            self._begin_sounding(response_id)
            self._out.forward(message)
        else:
            self._playback.hold(HeldSpeech(bytes(message.raw), Span(start, self._spoken), response_id))
            if self._playback.held_bytes > self._options.limits.held_bytes:
                raise Overfull(f"more than {self._options.limits.held_bytes} bytes of speech wait to be heard")

    def _deleted_then(self, message: Message, event: ev.ConversationItemDeleted) -> ev.ConversationItemDeleted:
        """Pass on that an item is gone, by the id by which the front knows it."""
        name = self._recovery.name_then(event.item_id)
        if name == event.item_id:
            self._out.forward(message)
            return event
        event = replace(event, item_id=name)
        self._out.to_front(event)
        return event

    def _repeated(self, now: float, event: ev.Event) -> None:
        """A new connection answers what it was told; the front has known that for long."""
        match event:
            case ev.SessionCreated():
                attempt = self.reconnection.attempt
                self._out.note(f"connected again, at attempt {attempt}")
                back = ev.EngineUpstream(event_id=self._out.invent_id(), state="connected", attempt=attempt)
                self._out.to_front(back)
                self.reconnection.greeted(now)
            case ev.SessionUpdated():
                self._session_changed(now, event)
            case ev.Error(error=error):
                self._out.note(f"the new connection could not be told of an item: {error.code or error.type}")
            case _:
                pass

    def _session_created(self, now: float, event: ev.SessionCreated) -> None:
        self.reconnection.greeted(now)
        self._session_changed(now, event)

    def _session_changed(self, now: float, event: ev.SessionCreated | ev.SessionUpdated) -> None:
        session = event.session
        self._meter.session(session)
        if session.turn_detection is not UNSET:
            self._turn_detection = session.turn_detection
        if session.input_format is not UNSET:
            if session.input_format != self._microphone.format:
                self._send_microphone(self._microphone.stop())
                self.recent_audio.use(session.input_format)
                self._recovery.reformatted(self.recent_audio)
            self._microphone.format = session.input_format
        if session.output_format is not UNSET:
            self._playback.format = session.output_format

    def _speech_started(self, now: float, event: ev.SpeechStarted) -> None:
        self._speaking = True
        self._turn_waits = False  # what is said now belongs to it
        if self._turn_detection is not None and self._turn_detection.interrupt_response:
            self._interrupt(now, cancel=False)

    def _speech_stopped(self, now: float, event: ev.SpeechStopped) -> None:
        self._speaking = False
        if self._turn_detection is not None and self._turn_detection.create_response:
            self._responses.expect(now)

    def _committed(self, now: float, event: ev.InputAudioBufferCommitted) -> None:
        self._speaking = False
        self._turn_waits = self._turn_detection is not None and self._turn_detection.create_response
        self._recovery.committed(event.item_id, self.conversation, self.recent_audio)
        if self._spoken_turn and self._turn_detection is not None and not self._turn_detection.create_response:
            self._answer_turn(now)

    def _cleared(self, now: float, event: ev.InputAudioBufferCleared) -> None:
        self._speaking = self._spoken_turn = False
        self._recovery.cleared(self.recent_audio)

    def _written_down(self, now: float, event: ev.InputTranscriptionCompleted) -> None:
        self._meter.transcribed(event.usage)
        if event.transcript and event.final:
            self._recovery.written_down(event.item_id)

    def _deleted(self, now: float, event: ev.ConversationItemDeleted) -> None:
        self._recovery.written_down(event.item_id)

    def _response_created(self, now: float, event: ev.ResponseCreated) -> None:
        self._responses.created(event)
        if self._in_conversation(event.response.id):
            self._turn_waits = False

    def _response_done(self, now: float, event: ev.ResponseDone) -> None:
        self._meter.responded(event.used)
        if event.response.status == "completed":
            for entry in self.conversation.not_called(event.response.id):
                self._call(event.response.id, entry)
        record = self._responses.done(event)
        self._sounding.done(now, record.response_id)
        self._go_on(now, record)

    def _output_item_added(self, now: float, event: ev.ResponseOutputItemAdded) -> None:
        if event.item.type == "function_call" and self._is_ours(text(event.item.name)):
            self._responses.claim(text(event.item.call_id))

    def _arguments_done(self, now: float, event: ev.FunctionCallArgumentsDone) -> None:
        if self._is_ours(text(event.name)):
            self._responses.claim(text(event.call_id))

    def _output_item_done(self, now: float, event: ev.ResponseOutputItemDone) -> None:
        entry = self.conversation.get(text(event.item.id)) or entry_of(event.item)
        if entry.can_be_called:
            self._call(text(event.response_id), entry)

    def _call(self, response_id: str, entry: Entry) -> None:
        """A response has handed out a call; what its last event leaves out was said before."""
        entry.called = True
        ours = self._is_ours(entry.name) and self._in_conversation(response_id)
        if self._responses.call(response_id, entry.call_id, ours=ours):
            self._called[entry.call_id] = entry.name
            self._out.do(RunTool(entry.call_id, entry.name, entry.arguments))

    def _is_ours(self, function: str) -> bool:
        """Whether a call is the engine's to answer; a function that nobody has is, for else the model would wait."""
        others = self._options.front_tools
        return function in self._tools or (others is not None and function != "" and function not in others)

    def _failed(self, now: float, event: ev.Error) -> None:
        self.complaint = (now, event)
        self._out.note_refusal(event)
        if event.error.code != EXPIRED and not text(event.error.event_id):
            self._turn_waits = False  # it may have come in the answer's place
        self._create_if_possible(now)

    # --- what the model is told -----------------------------------------------------------------------------

    def _tell(self, event: ev.Event) -> None:
        raw = ev.encode(event)
        self._out.send_upstream(raw)
        self._told(event, raw)

    def _told(self, event: ev.Event, raw: bytes) -> None:
        if not self._recovery.told(event, bytes(raw), self.recent_audio):
            self._out.note("the model leaves too much unanswered: what is oldest is not said again if it is lost")

    # --- tools and responses --------------------------------------------------------------------------------

    def tool_ended(self, now: float, result: ToolResult) -> None:
        """The model gets the result, and is asked to go on when it was the last of its response."""
        record = self._responses.answered(result.call_id)
        if record is None:
            self._out.note("a tool gave a result that nobody waits for")
            return
        name = self._called.pop(result.call_id)
        if result.failed and self._options.tool_failures:
            self._tool_failed(name, result)
        item = Item(type="function_call_output", call_id=result.call_id, output=result.output)
        self._tell(ev.ConversationItemCreate(event_id=self._out.invent_id(), item=item))
        self._go_on(now, record)

    def _tool_failed(self, name: str, result: ToolResult) -> None:
        self._out.note(f"the tool {name!r} has failed; the model is told why")
        event_id = self._out.invent_id()
        self._out.to_front(
            ev.EngineToolFailed(event_id=event_id, call_id=result.call_id, name=name, message=result.output)
        )

    def _go_on(self, now: float, record: ResponseRecord) -> None:
        if record.take_answer():
            self._ask(now, ev.encode(ev.ResponseCreate(event_id=self._out.invent_id())))
        else:
            self._create_if_possible(now)

    def _ask(self, now: float, create: bytes) -> None:
        if not self._responses.ask(create):
            raise Overfull("too many response.create wait for the active response")
        self._create_if_possible(now)

    def _create_if_possible(self, now: float) -> None:
        awaited = self._out.upstream is not Upstream.OPEN and self._options.reconnect is not None
        if not awaited and not self._interruption.waiting and (create := self._responses.next_create(now)) is not None:
            self._out.send_upstream(create)

    def _in_conversation(self, response_id: str) -> bool:
        record = self._responses.get(response_id)
        return record is None or not record.out_of_band

    # --- what is heard --------------------------------------------------------------------------------------

    def _send_speech(self, speech: HeldSpeech) -> None:
        self._begin_sounding(speech.response_id)
        self._out.do(Send(Side.FRONT, speech.raw, audio=speech.span))

    def _begin_sounding(self, response_id: str) -> None:
        self._sounding.begin(response_id, done=response_id not in self._responses.running)

    def _interrupt(self, now: float, *, cancel: bool) -> None:
        """Cut what is unheard; with ``cancel`` the model is told to stop, which it else does by itself."""
        self._responses.withdraw()
        heard = self._playback.cut(now, self._responses.running)
        cleared = dict.fromkeys([*(each.response_id for each in heard), *self._sounding])
        running = [each for each in self._responses.running if self._is_cut_by_speech(each, cleared)]
        if not running and not cleared:
            return
        self._interruption.cut([*running, *cleared])
        self._sounding.clear()
        cleared_ids = {response_id: self._out.invent_id() for response_id in cleared}
        for response_id, event_id in cleared_ids.items():
            self._out.to_front(ev.OutputAudioBufferCleared(event_id=event_id, response_id=response_id))
        for response_id in running if cancel else ():
            self._out.to_upstream(ev.ResponseCancel(event_id=self._out.invent_id(), response_id=response_id))
        heard = self._interruption.untold([each for each in heard if self._in_conversation(each.response_id)])
        for each in heard:
            self.conversation.cut(each.item_id, each.heard_ms)
        if heard and self._options.reports:
            self._interruption.await_report(now, cleared_ids[heard[0].response_id], heard)
        else:
            self._send_truncations(self._interruption.truncate(heard))

    def _is_cut(self, truncation: ev.ConversationItemTruncate) -> bool:
        """Whether nothing of what a front cuts off is left: many clients cut by themselves what they stop playing."""
        entry = self.conversation.get(truncation.item_id)
        return entry is not None and entry.heard_ms is not None and entry.heard_ms <= truncation.audio_end_ms

    def _is_cut_by_speech(self, response_id: str, cleared: Collection[str]) -> bool:
        """Whether a response that is under way is cut: the answer, once, and what runs beside it if it is heard."""
        answers = response_id == self._responses.active and not self._interruption.drops(response_id)
        return answers or response_id in cleared

    def _send_truncations(self, truncations: Sequence[ev.ConversationItemTruncate]) -> None:
        for truncation in truncations:
            self.conversation.cut(truncation.item_id, truncation.audio_end_ms)
            if truncation.item_id not in self._recovery.lost:
                self._out.to_upstream(replace(truncation, event_id=self._out.invent_id()))
            elif self._out.upstream is Upstream.OPEN:  # the model has it as text
                for event in self._recovery.say_less(truncation.item_id, self.conversation, self._out.invent_id):
                    self._out.to_upstream(event)


def _cut_off(record: ResponseRecord, event_id: str) -> ev.ResponseDone:
    """A response that its server will not end any more, for every response has an end."""
    details = StatusDetails(type="cancelled", reason="connection_lost")
    conversation = None if record.out_of_band else UNSET
    response = Response(id=record.response_id, status="cancelled", status_details=details, conversation_id=conversation)
    return ev.ResponseDone(event_id=event_id, response=response)


_NAMES_ITEM: Final = (ev.ConversationItemDelete, ev.ConversationItemRetrieve, ev.ConversationItemTruncate)
_NEVER: Final = Reconnect(delays=(), renew_after=None)


_FRONT: Final[dict[str, Callable[[Managed, float, Any], None]]] = {  # each takes its own event, or an unknown
    "input_audio_buffer.append": Managed._front_append,
    "input_audio_buffer.stopped": Managed._front_stopped,
    "input_audio_buffer.commit": Managed._front_stopped,
    "input_audio_buffer.clear": Managed._front_cleared,
    "conversation.item.truncate": Managed._front_truncates,
    "output_audio_buffer.clear": Managed._front_interrupts,
    "output_audio_buffer.played": Managed._front_played,
    "engine.speech_started": Managed._front_hears_speech,
    "engine.speech_suspected": Managed._front_is_unsure,
    "engine.speech_dismissed": Managed._front_is_unsure,
    "engine.speech_stopped": Managed._front_hears_silence,
    "engine.sound_card": Managed._sound_card,
}

_FRONT_PASSED_ON: Final = frozenset(
    {"input_audio_buffer.commit", "input_audio_buffer.clear", "conversation.item.truncate"}
)

_UPSTREAM: Final[dict[type[ev.Event], Callable[[Managed, float, Any], None]]] = {  # each takes its own event
    ev.SessionCreated: Managed._session_created,
    ev.SessionUpdated: Managed._session_changed,
    ev.SpeechStarted: Managed._speech_started,
    ev.SpeechStopped: Managed._speech_stopped,
    ev.InputAudioBufferCommitted: Managed._committed,
    ev.InputAudioBufferCleared: Managed._cleared,
    ev.InputTranscriptionCompleted: Managed._written_down,
    ev.ConversationItemDeleted: Managed._deleted,
    ev.ResponseCreated: Managed._response_created,
    ev.ResponseDone: Managed._response_done,
    ev.ResponseOutputItemAdded: Managed._output_item_added,
    ev.ResponseOutputItemDone: Managed._output_item_done,
    ev.FunctionCallArgumentsDone: Managed._arguments_done,
    ev.Error: Managed._failed,
}

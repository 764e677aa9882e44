"""One response, from ``response.created`` to ``response.done``.

    WAITING ── announced ──► ANSWERING ── nothing left to say, or stopped ──► ENDED
       └────────────────────── stopped ────────────────────────────────────────►

While it is WAITING, what the client says at the same moment still counts: a truncation after an interruption is
acknowledged before the next response is announced, as in the recorded sessions. Source: protocol.md, sections 7, 8.
"""

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final, Protocol

from msgspec import UNSET, Struct

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.events import (
    Error,
    ResponseCreated,
    ResponseDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
)
from realtime_engine.machine import Close
from realtime_engine.objects import ErrorDetail, Item, OutputAudio, OutputVoice, Response, StatusDetails, Usage
from realtime_engine.upstreams.local.conversation import Conversation
from realtime_engine.upstreams.local.desk import Desk
from realtime_engine.upstreams.local.items import Entry
from realtime_engine.upstreams.local.orders import Order
from realtime_engine.upstreams.local.outputs import Called, Output, Piece, Place, Spoken, Written
from realtime_engine.upstreams.local.replies import (
    Act,
    Complain,
    Fail,
    Leave,
    Play,
    Replier,
    Say,
    prompt_of,
)
from realtime_engine.upstreams.local.sounds import converted
from realtime_engine.upstreams.local.usage import MOST_TOKENS, Meter

ANNOUNCE_SECONDS: Final = 0.03  # from the request to response.created, as in the recorded sessions
MOST_SPOKEN: Final = 4096  # characters given to the voice: more than `MOST_TOKENS` lets one hear


class Voice(Protocol):
    """What speaks a text."""

    def __call__(self, text: str, voice: str, speed: float) -> bytes:
        """Speak: PCM16, 24 kHz. It may be slow, and is called as `Work`; it may raise."""


class Studio(Struct, frozen=True):
    """What all responses share.

    Attributes:
        desk: Where events go.
        conversation: The default conversation.
        reply: Decides what is said.
        voice: Says it.
        pace: How fast audio comes, in times of real time; ``inf``: at once.
    """

    desk: Desk
    conversation: Conversation
    reply: Replier
    voice: Voice
    pace: float


class Stage(Enum):
    """Where a response stands."""

    WAITING = auto()  # asked for, not yet announced
    ANSWERING = auto()  # announced: it speaks, or waits for its voice
    ENDED = auto()


class Answer:
    """A response that is under way.

    Args:
        studio: What it shares with the others.
        order: How it is to be.
        context: The items it answers; None: those of the conversation when it is announced.
        ended: Called once, when ``response.done`` has been sent, or when there was nothing to announce.
        at: When it was asked for; it announces itself a moment later.

    Attributes:
        id: The response's id.
        order: As ordered.
        status: ``in_progress``, then how it ended.
        reason: Why it ended early.
        call_ids: The calls it has made.
        meter: The tokens it has cost.
    """

    def __init__(
        self,
        studio: Studio,
        order: Order,
        context: Sequence[Entry] | None,
        ended: Callable[["Answer", float], None],
        *,
        at: float,
    ) -> None:
        self.id = studio.desk.ids.new("resp")
        self.order = order
        self.status = "in_progress"
        self.reason = ""
        self.call_ids: set[str] = set()
        self.meter = Meter()
        self._studio = studio
        self._desk = studio.desk
        self._context = context
        self._ended = ended
        self._stage = Stage.WAITING
        self._acts: deque[Act] = deque()
        self._items: list[Item] = []
        self._output: Output | None = None
        self._entry: Entry | None = None
        self._pieces: deque[Piece] = deque()
        self._began = 0.0
        self._next = self._desk.agenda.note(at + ANNOUNCE_SECONDS, self._announce)

    @property
    def beside(self) -> bool:
        """Whether it is out of band, beside the conversation."""
        return self.order.conversation_id is None

    def cancel(self, at: float, reason: str) -> None:
        """Stop it: ``client_cancelled`` or ``turn_detected``."""
        self._end(at, "cancelled", StatusDetails(type="cancelled", reason=reason))

    def _announce(self, at: float) -> None:
        order = self.order
        context = self._studio.conversation.entries if self._context is None else self._context
        self.meter.read(order.instructions, order.tools, context)
        prompt = prompt_of(context, order.instructions, order.tools, order.tool_choice, idle=order.idle)
        self._acts.extend(self._studio.reply(prompt))
        if isinstance(self._acts[0], Complain | Leave):
            self._stage = Stage.ENDED
            self._perform(at)
            self._ended(self, at)
            return
        self._created()
        self._perform(at)

    def _perform(self, at: float) -> None:
        """Do the next acts, up to one that takes time; after the last, the response is complete."""
        while self._acts:
            if self._takes_time(at, self._acts.popleft()):
                return
        if self._stage is Stage.ANSWERING:
            self._end(at, "completed", None)

    def _takes_time(self, at: float, act: Act) -> bool:
        """Do an act, or begin to; whether it goes on by itself, or is the end of it all."""
        order = self.order
        match act:
            case Complain(code=code, message=message, type=kind):
                self._desk.send(Error(error=ErrorDetail(type=kind, code=code, message=message, event_id=None)))
                return False
            case Leave(code=status, reason=reason):
                self._desk.tray.append(Close(status, reason))
            case Fail():
                self._fail(at, act)
            case Say(text=text) if order.modality == "audio":
                speak = partial(self._studio.voice, text[:MOST_SPOKEN], order.voice, order.speed)
                self._desk.work(speak, partial(self._spoken, text))
            case Play(transcript=text) if order.modality == "audio":
                self._speak(at, text, act.audio, act.format)
            case Say(text=text) | Play(transcript=text):
                self._open(at, Written(self._place(), text))
            case _:
                call_id = self._desk.ids.new("call")
                self.call_ids.add(call_id)
                self._open(at, Called(self._place(), call_id, act.name, act.arguments))
        return True

    def _spoken(self, text: str, at: float, result: object) -> None:
        """The voice has spoken, or failed to."""
        if self._stage is Stage.ENDED:
            return
        if not isinstance(result, bytes):
            self._fail(at, Fail("voice_failed", f"The voice failed: {result}"))
            return
        self._speak(at, text, result, PCM16)

    def _speak(self, at: float, text: str, audio: bytes, given: AudioFormat) -> None:
        """Begin an item that is heard."""
        wanted = self.order.format
        spoken = Spoken(self._place(), text, converted(audio, given, wanted), wanted, pace=self._studio.pace)
        self._open(at, spoken)

    def _open(self, at: float, output: Output) -> None:
        """Announce an item, and begin to give its pieces."""
        self._output = output
        audio = {0: bytearray()} if isinstance(output, Spoken) else {}
        self._entry = Entry(output.item("in_progress"), self.order.format, audio)
        index = output.place["output_index"]
        self._desk.send(ResponseOutputItemAdded(response_id=self.id, output_index=index, item=self._entry.item))
        if not self.beside:
            self._studio.conversation.add(self._entry)
        for event in output.opening():
            self._desk.send(event)
        self._pieces = deque(output.pieces())
        self._began = at
        self._wait(output)

    def _wait(self, output: Output) -> None:
        after = self._pieces[0].after if self._pieces else output.seconds
        self._next = self._desk.agenda.note(self._began + after, partial(self._give, output))

    def _give(self, output: Output, at: float) -> None:
        """Give the next piece, unless there are tokens enough; after the last, the item is complete."""
        if not self._pieces:
            self._close("completed")
            self._perform(at)
            return
        piece = self._pieces.popleft()
        most = MOST_TOKENS if self.order.max_output_tokens == "inf" else self.order.max_output_tokens
        if not self.meter.write(piece.text, self.order.format.ms(len(piece.audio)), most=most):
            self._end(at, "incomplete", StatusDetails(type="incomplete", reason="max_output_tokens"))
            return
        if piece.audio and self._entry is not None:
            self._entry.hear(piece.audio)
            self._studio.conversation.spoken |= not self.beside
        self._desk.send(output.delta(piece))
        self._wait(output)

    def _close(self, status: str) -> None:
        """End the item under way, if there is one."""
        output, entry = self._output, self._entry
        if output is None or entry is None:
            return
        self._output = self._entry = None
        for event in output.closing():
            self._desk.send(event)
        entry.become(output.item(status))
        if not self.beside:
            self._studio.conversation.done(entry)
        index = output.place["output_index"]
        self._desk.send(ResponseOutputItemDone(response_id=self.id, output_index=index, item=entry.item))
        self._items.append(entry.item)

    def _fail(self, at: float, failure: Fail) -> None:
        """End as failed. One that fails before it has begun an item has cost nothing."""
        if not self._items:
            self.meter = Meter()
        error = ErrorDetail(type=failure.type, code=failure.code, message=failure.message, param=UNSET)
        self._end(at, "failed", StatusDetails(type="failed", error=error))

    def _end(self, at: float, status: str, details: StatusDetails | None) -> None:
        self._next.cancel()
        if self._stage is Stage.WAITING:
            self._created()
        self._close("incomplete")
        self._stage = Stage.ENDED
        self.status = status
        self.reason = details.reason if details is not None and isinstance(details.reason, str) else ""
        self._desk.send(ResponseDone(response=self._response(details, self.meter.usage)))
        self._ended(self, at)

    def _created(self) -> None:
        self._stage = Stage.ANSWERING
        self._desk.send(ResponseCreated(response=self._response(None, None)))

    def _place(self) -> Place:
        return Place(
            response_id=self.id,
            item_id=self._studio.conversation.free_id(),
            output_index=len(self._items),
        )

    def _response(self, details: StatusDetails | None, usage: Usage | None) -> Response:
        order = self.order
        return Response(
            object="realtime.response",
            id=self.id,
            status=self.status,
            status_details=details,
            output=tuple(self._items),
            conversation_id=order.conversation_id,
            output_modalities=(order.modality,),
            max_output_tokens=order.max_output_tokens,
            audio=OutputAudio(output=OutputVoice(format=order.format, voice=order.voice)),
            usage=usage,
            metadata=order.metadata,
        )

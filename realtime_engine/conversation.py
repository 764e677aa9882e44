"""The conversation as the server has it: items in its order, each with all that is known of it.

What comes early or late finds its place: a transcript before its item, or after the answer. Items of unknown
types are kept like any other. Nothing is ordered by transcripts, nor by ``conversation.item.done``, whose
``previous_item_id`` is sometimes null (protocol.md, section 7): ``added`` says the place, and so does
``committed``, which comes first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET, UnsetType

from realtime_engine import events as ev
from realtime_engine.objects import Item, text


@dataclass(slots=True)
class Words:
    """What the parts of an item say, by ``content_index``; a part that has been said whole grows no more."""

    parts: dict[int, str] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        return "".join(self.parts[index] for index in sorted(self.parts))

    def grow(self, content_index: int, delta: str) -> None:
        """A piece of a part has come."""
        if content_index not in self.whole:
            self.parts[content_index] = self.parts.get(content_index, "") + delta

    def so_far(self, content_index: int, words: str) -> None:
        """All of a part that there is yet."""
        if content_index not in self.whole:
            self.parts[content_index] = words

    def end(self, content_index: int, words: str) -> None:
        """All of a part has come."""
        self.parts[content_index] = words
        self.whole.add(content_index)


@dataclass(slots=True)
class Entry:
    """One item of the conversation.

    Attributes:
        id: The item's id.
        type: ``message``, ``function_call``, …; ``""`` until the item itself has come.
        role: ``user``, ``assistant``, ``system``, or ``""``.
        status: The server's word: ``in_progress``, ``completed``, ``incomplete``.
        name, call_id, arguments, output: Of a function call, or its output.
        written, said: The words, part by part; `text` and `transcript` are all of them.
        start_ms, end_ms: Where the speech stood in the microphone audio of its connection, in milliseconds.
        audio_ms: How much speech of the model has come, in milliseconds.
        heard_ms: Where it was cut, by what was heard; None: it was not.
        pictures: How many pictures are in it.
        called: The call was handed out; a response is done with it.
        drafted: As much of the arguments as has come, while they come.
        response_id: The response that made it.
    """

    id: str
    type: str = ""
    role: str = ""
    status: str = ""
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    audio_ms: float = 0.0
    heard_ms: int | None = None
    response_id: str = ""
    pictures: int = 0
    called: bool = False
    drafted: str = ""
    written: Words = field(default_factory=Words)
    said: Words = field(default_factory=Words)

    @property
    def text(self) -> str:
        """What was written."""
        return str(self.written)

    @property
    def transcript(self) -> str:
        """What was said, as far as it is known."""
        return str(self.said)

    @property
    def transcribed(self) -> bool:
        """Whether the transcript is there, and final."""
        return bool(self.said.whole) and self.said.whole == self.said.parts.keys()

    @property
    def can_be_called(self) -> bool:
        """Whether it is a function call that nobody has broken off."""
        return self.type == "function_call" and self.status != "incomplete"

    @property
    def words(self) -> str:
        """What was said or written."""
        return self.transcript or self.text

    @property
    def calls(self) -> bool:
        """Whether it is a function call, and whole: one that a response makes must have been handed out."""
        whole = self.type == "function_call" and self.status == "completed"
        return whole and (self.called or not self.response_id)


def entry_of(item: Item) -> Entry:
    """What an item says of itself, that is known by nothing else: its server has given it no id."""
    entry = Entry(text(item.id))
    _fill(entry, item)
    return entry


class Conversation:
    """The newest items, in the server's order. Feed it every event of the server with `apply`."""

    def __init__(self, *, keep: int) -> None:
        self._keep = keep
        self._order: list[Entry] = []
        self._known: dict[str, Entry] = {}  # with those that have no place yet
        self._last_lost: Entry | None = None  # behind it stands what a connection that knows nothing puts at the front

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._order)

    def get(self, item_id: str) -> Entry | None:
        """The item of this id, also if it has no place yet."""
        return self._known.get(item_id)

    def apply(self, event: ev.Event) -> None:
        """Take in one event of the server. An event that says nothing about items changes nothing."""
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all items that are known, also of those that have no place yet."""
        return frozenset(self._known)

    def cut(self, item_id: str, heard_ms: int) -> None:
        """Speech of this item was heard only so far, and the server cannot be told."""
        entry = self._known.get(item_id)
        if entry is not None:
            entry.heard_ms = heard_ms

    def broken_off(self, response_id: str) -> bool:
        """No more will come of this response. Whether anything has been heard or read of it.

        The words of speech are ahead of it: nobody has heard them yet.
        """
        entries = [entry for entry in self._known.values() if entry.response_id == response_id]
        for entry in entries:
            if entry.status == "in_progress":
                entry.status = "incomplete"
        return any(entry.audio_ms or entry.text for entry in entries)

    def not_called(self, response_id: str) -> list[Entry]:
        """The calls of a response that are known in full, and that no event of their own has handed out."""
        entries = [entry for entry in self._known.values() if entry.response_id == response_id and not entry.called]
        return [entry for entry in entries if entry.can_be_called and entry.arguments]

    def restart(self) -> None:
        """Another connection goes on, and knows nothing of what came before: its front is where that ends."""
        self._last_lost = self._order[-1] if self._order else None

    def spoken(self, item_id: str, response_id: str, ms: float) -> Entry:
        """So many milliseconds of the model's speech have come; the item they belong to."""
        entry = self._entry(item_id)
        entry.audio_ms += ms
        entry.response_id = response_id
        return entry

    def _entry(self, item_id: str) -> Entry:
        """The entry of this id; if it is new, one without a place."""
        entry = self._known.get(item_id)
        if entry is None:
            entry = self._known[item_id] = Entry(item_id)
            if len(self._known) > 2 * self._keep:
                self._forget_unplaced()
        return entry

    def _place(self, entry: Entry, previous: str | None | UnsetType) -> None:
        """Give an entry its place, once: after ``previous``, at the front (null), or at the end (not said)."""
        if any(each is entry for each in self._order):
            return
        at = len(self._order)
        if previous is None:
            at = next((n + 1 for n, each in enumerate(self._order) if each is self._last_lost), 0)
        elif previous is not UNSET:
            at = next((n + 1 for n, each in enumerate(self._order) if each.id == previous), at)
        self._order.insert(at, entry)
        if len(self._order) > self._keep:
            del self._known[self._order.pop(0).id]

    def _fill(self, item: Item) -> Entry | None:
        if item.id is UNSET:
            return None
        entry = self._entry(str(item.id))
        _fill(entry, item)
        return entry

    def _forget_unplaced(self) -> None:
        placed = {entry.id for entry in self._order}
        for item_id in [known for known in self._known if known not in placed][: self._keep]:
            del self._known[item_id]

    # --- what each event says -------------------------------------------------------------------------------

    def _added(self, event: ev.ConversationItemAdded | ev.ConversationItemCreated) -> None:
        entry = self._fill(event.item)
        if entry is not None:
            spoken = entry.start_ms is not None  # and what is spoken never goes to the front
            self._place(entry, event.previous_item_id or UNSET if spoken else event.previous_item_id)

    def _complete(self, event: ev.ConversationItemDone | ev.ConversationItemRetrieved) -> None:
        self._fill(event.item)

    def _committed(self, event: ev.InputAudioBufferCommitted) -> None:
        entry = self._entry(event.item_id)
        entry.type, entry.role, entry.status = "message", "user", "completed"
        self._place(entry, event.previous_item_id or UNSET)  # what is spoken never goes to the front

    def _output_item(self, event: ev.ResponseOutputItemAdded | ev.ResponseOutputItemDone) -> None:
        entry = self._fill(event.item)
        if entry is not None:
            entry.response_id = text(event.response_id)
            entry.called = entry.called or isinstance(event, ev.ResponseOutputItemDone)

    def _response_done(self, event: ev.ResponseDone) -> None:
        for item in event.response.output:
            if item.type == "function_call" and (entry := self._fill(item)) is not None:
                entry.response_id = event.response.id

    def _deleted(self, event: ev.ConversationItemDeleted) -> None:
        self._known.pop(event.item_id, None)
        self._order = [entry for entry in self._order if entry.id != event.item_id]

    def _truncated(self, event: ev.ConversationItemTruncated) -> None:
        self._entry(event.item_id).heard_ms = event.audio_end_ms

    def _speech_started(self, event: ev.SpeechStarted) -> None:
        self._entry(event.item_id).start_ms = event.audio_start_ms

    def _speech_stopped(self, event: ev.SpeechStopped) -> None:
        self._entry(event.item_id).end_ms = event.audio_end_ms

    def _timed_out(self, event: ev.TimeoutTriggered) -> None:
        entry = self._entry(event.item_id)
        entry.start_ms, entry.end_ms = event.audio_start_ms, event.audio_end_ms

    def _input_delta(self, event: ev.InputTranscriptionDelta) -> None:
        self._entry(event.item_id).said.grow(event.content_index, text(event.delta))

    def _input_completed(self, event: ev.InputTranscriptionCompleted) -> None:
        said = self._entry(event.item_id).said
        if event.final:
            said.end(event.content_index, event.transcript)
        else:
            said.so_far(event.content_index, event.transcript)

    def _input_updated(self, event: ev.InputTranscriptionUpdated) -> None:
        self._entry(event.item_id).said.so_far(event.content_index, event.transcript)

    def _said(self, event: ev.ResponseOutputAudioTranscriptDelta) -> None:
        self._entry(event.item_id).said.grow(event.content_index, event.delta)

    def _said_all(self, event: ev.ResponseOutputAudioTranscriptDone) -> None:
        self._entry(event.item_id).said.end(event.content_index, event.transcript)

    def _wrote(self, event: ev.ResponseOutputTextDelta) -> None:
        self._entry(event.item_id).written.grow(event.content_index, event.delta)

    def _wrote_all(self, event: ev.ResponseOutputTextDone) -> None:
        self._entry(event.item_id).written.end(event.content_index, event.text)

    def _argues(self, event: ev.FunctionCallArgumentsDelta) -> None:
        self._entry(event.item_id).drafted += event.delta

    def _arguments(self, event: ev.FunctionCallArgumentsDone) -> None:
        entry = self._entry(event.item_id)
        entry.type, entry.arguments = "function_call", event.arguments
        entry.name = text(event.name) or entry.name
        entry.call_id = text(event.call_id) or entry.call_id
        entry.response_id = text(event.response_id) or entry.response_id


def _fill(entry: Entry, item: Item) -> None:
    """Take in what an item says; what it leaves out stays as it was."""
    entry.type = item.type
    entry.role = text(item.role) or entry.role
    entry.status = text(item.status) or entry.status
    entry.name = text(item.name) or entry.name
    entry.call_id = text(item.call_id) or entry.call_id
    entry.arguments = text(item.arguments) or entry.arguments
    entry.output = text(item.output) or entry.output
    parts = () if item.content is UNSET else item.content
    entry.pictures = sum(part.type == "input_image" for part in parts) or entry.pictures
    for index, part in enumerate(parts):
        if text(part.text):
            entry.written.end(index, text(part.text))
        if text(part.transcript):
            entry.said.end(index, text(part.transcript))


_HANDLERS: Final[dict[type[ev.Event], Callable[[Conversation, Any], None]]] = {  # each takes its own event type
    ev.ConversationItemAdded: Conversation._added,
    ev.ConversationItemCreated: Conversation._added,
    ev.ConversationItemDone: Conversation._complete,
    ev.ConversationItemRetrieved: Conversation._complete,
    ev.InputAudioBufferCommitted: Conversation._committed,
    ev.ResponseOutputItemAdded: Conversation._output_item,
    ev.ResponseOutputItemDone: Conversation._output_item,
    ev.ResponseDone: Conversation._response_done,
    ev.ConversationItemDeleted: Conversation._deleted,
    ev.ConversationItemTruncated: Conversation._truncated,
    ev.SpeechStarted: Conversation._speech_started,
    ev.SpeechStopped: Conversation._speech_stopped,
    ev.TimeoutTriggered: Conversation._timed_out,
    ev.InputTranscriptionDelta: Conversation._input_delta,
    ev.InputTranscriptionUpdated: Conversation._input_updated,
    ev.InputTranscriptionCompleted: Conversation._input_completed,
    ev.ResponseOutputAudioTranscriptDelta: Conversation._said,
    ev.ResponseOutputAudioTranscriptDone: Conversation._said_all,
    ev.ResponseOutputTextDelta: Conversation._wrote,
    ev.ResponseOutputTextDone: Conversation._wrote_all,
    ev.FunctionCallArgumentsDelta: Conversation._argues,
    ev.FunctionCallArgumentsDone: Conversation._arguments,
}

"""What is new in a conversation, item by item, as its events come: early or late, twice or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple, TypeAlias

from msgspec import UNSET

from realtime_engine import events as ev
from realtime_engine.audio import decode_base64
from realtime_engine.conversation import Conversation, Entry
from realtime_engine.errors import UsageError
from realtime_engine.items import Item
from realtime_engine.kept_audio import KeptAudio
from realtime_engine.objects import Item as WireItem
from realtime_engine.objects import text
from realtime_engine.updates import (
    ArgumentsDelta,
    AudioDelta,
    ItemAppended,
    ItemChanged,
    ItemCompleted,
    ItemDeleted,
    TextDelta,
    TranscriptDelta,
    Update,
)

_MODEL_SPEAKS: Final = (
    ev.ResponseOutputTextDelta,
    ev.ResponseOutputTextDone,
    ev.ResponseOutputAudioTranscriptDelta,
    ev.ResponseOutputAudioTranscriptDone,
    ev.FunctionCallArgumentsDelta,
    ev.FunctionCallArgumentsDone,
)
"""What only comes of an item that is there, whether or not that was said."""

Speech: TypeAlias = ev.ResponseOutputAudioDelta

_DONE: Final = (ev.ConversationItemDone, ev.ResponseOutputItemDone)
_ADDED: Final = (ev.ConversationItemAdded, ev.ConversationItemCreated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much a client keeps of a long conversation.

    Attributes:
        items: The newest items.
        item_audio: Seconds of sound of each item, from its beginning.
        all_audio: Seconds of sound of all items together, the newest.
        microphone: Seconds of the newest microphone audio, of which a turn's sound is taken once the server has said
            where it stood.

    Raises:
        UsageError: A number makes no sense.
    """

    items: int = 1000
    item_audio: float = 60.0
    all_audio: float = 600.0
    microphone: float = 60.0

    def __post_init__(self) -> None:
        if self.items < 1:
            raise UsageError(f"at least one item is kept, not {self.items}")
        for name in ("item_audio", "all_audio", "microphone"):
            seconds: float = getattr(self, name)
            if not 0 <= seconds < inf:
                raise UsageError(f"{name} is a number of seconds to keep, not {seconds}")


class _Known(NamedTuple):
    """What was known of an item before an event."""

    text: str = ""
    transcript: str = ""
    arguments: str = ""
    output: str = ""
    heard_ms: int | None = None
    incomplete: bool = False
    transcribed: bool = False

    @classmethod
    def of(cls, entry: Entry) -> "_Known":
        return cls(
            entry.text,
            entry.transcript,
            entry.arguments or entry.drafted,
            entry.output,
            entry.heard_ms,
            entry.status == "incomplete",
            entry.role == "user" and entry.transcribed,
        )


class ItemUpdates:
    """The conversation, and what of it the application has been told.

    Attributes:
        conversation: The server's items.
        audio: Their sound.
    """

    def __init__(self, keep: Keep) -> None:
        self.conversation = Conversation(keep=keep.items)
        self.audio = KeptAudio(per_item=keep.item_audio, in_all=keep.all_audio)
        self._most = 2 * keep.items
        self._items: dict[str, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        return map(self._item, self.conversation)

    def get(self, item_id: str) -> Item | None:
        """The item of this id, also if it has no place yet."""
        entry = self.conversation.get(item_id)
        return None if entry is None else self._item(entry)

    def of(self, entry: Entry) -> Item:
        """The item of an entry; of one that has no id it is known by nothing else."""
        return self._item(entry) if entry.id else Item(entry, self.audio)

    def apply(self, event: ev.Event) -> list[Update]:
        """Take in one event of the server: what is new."""
        item_id = _item_of(event)
        entry = self.conversation.get(item_id)
        if isinstance(event, ev.ConversationItemDeleted):
            return self._deleted(event, entry)
        known = _Known() if entry is None else _Known.of(entry)
        self.conversation.apply(event)
        match event:
            case ev.ConversationItemTruncated(audio_end_ms=ms):
                self.audio.cut(item_id, ms)
            case ev.ConversationItemRetrieved(item=retrieved):
                self._retrieved(retrieved)
        item = self.get(item_id)
        if item is None or not (item.appended or item.type or isinstance(event, _MODEL_SPEAKS)):
            return []  # a transcript before its item is told with the item
        updates: list[Update] = list(_grown(item, known)) if item.appended else self._appended(item)
        if not item.completed and _completes(event, item):
            item.completed = True
            updates.append(ItemCompleted(item))
        return updates

    def speech(
        self, event: ev.ResponseOutputAudioDelta, response_id: str, audio: bytes, *, heard: bool
    ) -> list[Update]:
        """The model has said a piece; what nobody will hear of it is only counted."""
        ms = self.audio.format.ms(len(audio))
        item = self._item(self.conversation.spoken(event.item_id, response_id, ms))
        updates = [] if item.appended else self._appended(item)
        whole = self.audio.grow(event.item_id, event.content_index, audio) if heard else b""
        if whole:
            updates.append(AudioDelta(item, whole))
        return updates

    def _item(self, entry: Entry) -> Item:
        item = self._items.get(entry.id)
        if item is None or not item.stands_for(entry):
            item = self._items[entry.id] = Item(entry, self.audio)
            if len(self._items) > self._most:
                known = self.conversation.ids
                self._items = {each.id: each for each in self._items.values() if each.id in known}
        return item

    def _appended(self, item: Item) -> list[Update]:
        item.appended = True
        return [ItemAppended(item)]

    def _deleted(self, event: ev.ConversationItemDeleted, entry: Entry | None) -> list[Update]:
        self.conversation.apply(event)
        self.audio.drop(event.item_id)
        if entry is None:
            return []
        item = self._item(entry)
        del self._items[event.item_id]
        return [ItemDeleted(item)] if item.appended else []

    def _retrieved(self, item: WireItem) -> None:
        """An item has come with its sound."""
        parts = () if item.content is UNSET else item.content
        sounds = [_sound(part.audio) for part in parts if isinstance(part.audio, str)]
        if sounds:
            self.audio.put(text(item.id), b"".join(sounds))


def _item_of(event: ev.Event) -> str:
    """The item that an event is about, or ``""``."""
    item = getattr(event, "item", None)
    named = item.id if isinstance(item, WireItem) else getattr(event, "item_id", UNSET)
    return named if isinstance(named, str) else ""


def _grown(item: Item, known: _Known) -> Iterator[Update]:
    """What is new of an item; what is not only more of the same is a change."""
    changed = (item.output, item.heard_ms, item.status == "incomplete", item.role == "user" and item.transcribed) != (
        known.output,
        known.heard_ms,
        known.incomplete,
        known.transcribed,
    )
    for then, now, delta in (
        (known.text, item.text, TextDelta),
        (known.transcript, item.transcript, TranscriptDelta),
        (known.arguments, item.arguments, ArgumentsDelta),
    ):
        if not now.startswith(then):
            changed = True
        elif now != then:
            yield delta(item, now[len(then) :])
    if changed:
        yield ItemChanged(item)


def _completes(event: ev.Event, item: Item) -> bool:
    """Whether an event says that an item is complete: what is created as a whole is so at once."""
    if isinstance(event, _DONE):
        return item.status in ("completed", "")
    whole = item.role in ("user", "system") or item.type == "function_call_output"
    return isinstance(event, _ADDED) and whole and item.status in ("completed", "")


def _sound(audio: str) -> bytes:
    """The sound of a part; of one that is no base64 there is none."""
    try:
        return decode_base64(audio)
    except ValueError:
        return b""

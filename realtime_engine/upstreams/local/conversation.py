"""The default conversation on the server's side: the items in their order, and what is said of them.

A conversation keeps the `KEEP_ITEMS` items that were added last, wherever they stand, and of their audio the last
`KEEP_AUDIO` bytes: what is older is forgotten as if it had been deleted, so that a conversation of days needs no more
memory than one of an hour.
"""

from collections.abc import Sequence
from typing import Final

from realtime_engine.events import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemRetrieved,
    ConversationItemTruncated,
)
from realtime_engine.upstreams.local.desk import Desk
from realtime_engine.upstreams.local.items import Entry
from realtime_engine.upstreams.local.problems import RequestError

KEEP_ITEMS: Final = 1000
KEEP_AUDIO: Final = 32 << 20  # bytes: 11 minutes of PCM16


class Conversation:
    """The items of the default conversation.

    Attributes:
        id: The conversation's id.
        spoken: The assistant has been heard; its voice cannot change any more.
    """

    def __init__(self, desk: Desk) -> None:
        self.id = desk.ids.new("conv")
        self.spoken = False
        self._desk = desk
        self._entries: list[Entry] = []  # as they stand
        self._by_age: dict[str, Entry] = {}  # by id, as they were added

    @property
    def entries(self) -> Sequence[Entry]:
        """The items in order."""
        return self._entries

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return self._entries[-1].id if self._entries else None

    def free_id(self, wanted: str = "") -> str:
        """The id that is wanted, or else a new one, that no item has; ids are no secret to a client."""
        while not wanted or self.find(wanted) is not None:
            wanted = self._desk.ids.new("item")
        return wanted

    def find(self, item_id: str) -> Entry | None:
        """The item of an id, or None."""
        return self._by_age.get(item_id)

    def add(self, entry: Entry, *, after: str | None = None) -> None:
        """Add an item and announce it: at the end, at the front (``root``), or after an item.

        Raises:
            RequestError: The id is taken, or there is no item to put it after.
        """
        if self.find(entry.id) is not None:
            raise RequestError(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{entry.id}' already exists.",
                param="item.id",
            )
        place = len(self._entries) if after is None else 0 if after == "root" else self._after(after)
        self._entries.insert(place, entry)
        self._by_age[entry.id] = entry
        self._desk.send(ConversationItemAdded(previous_item_id=self.before(entry), item=entry.item))
        self._forget()

    def done(self, entry: Entry) -> None:
        """Announce that an item is complete."""
        self._desk.send(ConversationItemDone(previous_item_id=self.before(entry), item=entry.item))

    def before(self, entry: Entry) -> str | None:
        """The id of the item before; None at the front, or for an item that is deleted."""
        previous = None
        for other in self._entries:
            if other is entry:
                return previous
            previous = other.id
        return None

    def retrieve(self, item_id: str) -> None:
        """Show an item with its audio.

        Raises:
            RequestError: There is none.
        """
        entry = self._existing(item_id, "retriev", "item_retrieve_invalid_item_id")
        self._desk.send(ConversationItemRetrieved(item=entry.with_audio()))

    def delete(self, item_id: str) -> None:
        """Take an item out.

        Raises:
            RequestError: There is none.
        """
        self._remove(self._existing(item_id, "delet", "item_delete_invalid_item_id"))
        self._desk.send(ConversationItemDeleted(item_id=item_id))

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut an assistant's audio, and take the transcript out of the context.

        Raises:
            RequestError: There is no such item, it is no speech of the assistant, or it is shorter.
        """
        entry = self._existing(item_id, "truncat", "item_truncate_invalid_item_id")
        if entry.item.role != "assistant" or 0 not in entry.audio:
            raise RequestError(None, "Only model output audio messages can be truncated.", param="item_id")
        has_ms = int(entry.format.ms(len(entry.audio[0])))
        if audio_end_ms > has_ms:
            raise RequestError(
                "invalid_value",
                f"Audio content of {has_ms}ms is already shorter than {audio_end_ms}ms",
                param="audio_end_ms",
            )
        entry.truncate(audio_end_ms * entry.format.bytes_per_ms)
        self._desk.send(ConversationItemTruncated(item_id=item_id, content_index=0, audio_end_ms=audio_end_ms))

    def _after(self, item_id: str) -> int:
        for index, entry in enumerate(self._entries):
            if entry.id == item_id:
                return index + 1
        raise RequestError(
            "invalid_value",
            f"Error adding item: the previous item with id '{item_id}' does not exist.",
            param="previous_item_id",
        )

    def _existing(self, item_id: str, verb: str, code: str) -> Entry:
        entry = self.find(item_id)
        if entry is None:
            raise RequestError(
                code, f"Error {verb}ing item: the item with id '{item_id}' does not exist.", param="item_id"
            )
        return entry

    def _remove(self, entry: Entry) -> None:
        self._entries.remove(entry)
        del self._by_age[entry.id]

    def _forget(self) -> None:
        """Hold the bounds."""
        if len(self._entries) > KEEP_ITEMS:
            self._remove(next(iter(self._by_age.values())))
        room = KEEP_AUDIO
        for entry in reversed(self._by_age.values()):
            room -= entry.size
            if room < 0:
                entry.audio.clear()

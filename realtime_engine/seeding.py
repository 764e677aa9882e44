"""A conversation so far, as the items that a new connection is begun with.

The model's speech goes as text, for a client cannot create it as audio, cut to what was heard; what the user said
goes as its transcript, or as the audio itself where nothing was written down. Each item keeps its id.

Source: protocol.md, sections 9 and 11.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from realtime_engine.audio import encode_base64
from realtime_engine.conversation import Entry
from realtime_engine.objects import ContentPart, Item

LONGEST_ID: Final = 32
"""Characters of an id that a client may choose."""

PACE: Final = 16
"""Characters a second, about: an answer that was not finished is ahead of its speech by its transcript."""

UNWRITTEN: Final = "[something was said here; nobody has written it down]"
PICTURE: Final = "[a picture, which is no longer there]"


def seeds(entries: Iterable[Entry], spoken: Mapping[str, bytes]) -> Iterator[Item]:
    """The items, in order, without those of which nothing is known that could be said again.

    Args:
        entries: The conversation.
        spoken: What the user said in turns that nobody has written down, in the session's format, by item.
    """
    for entry in entries:
        item = seed(entry, spoken.get(entry.id, b""))
        if item is not None:
            yield item


def seed(entry: Entry, spoken: bytes = b"") -> Item | None:
    """The item that stands for an entry; None: there is nothing to say of it, or it cannot be said."""
    item_id = seed_id(entry.id)
    if entry.calls:
        return Item(
            id=item_id, type=entry.type, name=entry.name, call_id=entry.call_id, arguments=entry.arguments or "{}"
        )
    if entry.type == "function_call_output":
        return Item(id=item_id, type=entry.type, call_id=entry.call_id, output=entry.output)
    if entry.type == "message" and (content := _content(entry, spoken)):
        return Item(id=item_id, type=entry.type, role=entry.role, content=content)
    return None


def seed_id(item_id: str) -> str:
    """The id of the item that stands for another: the same, unless a client may not choose it."""
    return item_id if len(item_id) <= LONGEST_ID else f"item_{item_id[5 - LONGEST_ID :]}"


def _content(entry: Entry, spoken: bytes) -> tuple[ContentPart, ...]:
    if entry.role == "assistant":
        words = heard(entry)
        return (ContentPart(type="output_text", text=words),) if words else ()
    words = (
        entry.words if entry.text or entry.transcribed or not spoken else ""
    )  # what is half known is less than sound
    parts = [ContentPart(type="input_text", text=words)] if words else []
    parts += [ContentPart(type="input_text", text=PICTURE)] * entry.pictures
    if spoken and not words:
        parts.append(ContentPart(type="input_audio", audio=encode_base64(spoken).decode()))
    if not parts and entry.role == "user":
        parts.append(ContentPart(type="input_text", text=UNWRITTEN))
    return tuple(parts)


def unwritten(item: Item) -> bool:
    """Whether nothing is known of what was said there."""
    return isinstance(item.content, tuple) and [part.text for part in item.content] == [UNWRITTEN]


def heard(entry: Entry) -> str:
    """The words of the model that were heard, as near as they can be told from the speech; whole words."""
    words = entry.words
    if not entry.transcript:
        return words
    heard_ms = entry.audio_ms if entry.heard_ms is None else min(entry.heard_ms, entry.audio_ms)
    if entry.status == "completed" and entry.audio_ms:
        size = int(len(words) * heard_ms / entry.audio_ms)
    else:
        size = int(heard_ms / 1000 * PACE)
    return words if size >= len(words) else words[:size].rpartition(" ")[0]

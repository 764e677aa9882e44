"""An item of the conversation, as a client's application sees it: it grows while one looks at it."""

from typing import NamedTuple

from realtime_engine.conversation import Entry
from realtime_engine.kept_audio import KeptAudio


class ToolCall(NamedTuple):
    """A function that the model calls. ``arguments`` is JSON text; it grows until the item is completed."""

    name: str
    call_id: str
    arguments: str


class Item:
    """A message, a function call, its output, or a kind yet unknown. The same item is always the same object."""

    __slots__ = ("_audio", "_entry", "appended", "completed")

    def __init__(self, entry: Entry, audio: KeptAudio) -> None:
        self._entry = entry
        self._audio = audio
        self.appended = False  # the application knows of it
        self.completed = False  # … and that it is complete

    def __repr__(self) -> str:
        who = f"{self.role} {self.type}".strip() or "unknown"
        return f"<Item {self.id}: {who}, {self.status or 'no status'}, {self.words[:60]!r}>"

    @property
    def id(self) -> str:
        """The item's id."""
        return self._entry.id

    @property
    def type(self) -> str:
        """``message``, ``function_call``, ``function_call_output``, …; ``""`` until the item itself has come."""
        return self._entry.type

    @property
    def role(self) -> str:
        """``user``, ``assistant``, ``system``, or ``""``."""
        return self._entry.role

    @property
    def status(self) -> str:
        """The server's word: ``in_progress``, ``completed``, ``incomplete``; ``""``: it has said none."""
        return self._entry.status

    @property
    def text(self) -> str:
        """What was written."""
        return self._entry.text

    @property
    def transcript(self) -> str:
        """What was said, as far as it is known."""
        return self._entry.transcript

    @property
    def transcribed(self) -> bool:
        """Whether the transcript is there, and final."""
        return self._entry.transcribed

    @property
    def words(self) -> str:
        """What was said or written."""
        return self._entry.words

    @property
    def audio(self) -> bytes:
        """Its sound, in the session's format, as much as is kept: see `open_client`.

        Of the model's speech what has come so far, or, once it is cut, what was heard.
        """
        return self._audio.get(self.id)

    @property
    def audio_ms(self) -> float:
        """How much of the model's speech has come, in milliseconds, kept or not."""
        return self._entry.audio_ms

    @property
    def heard_ms(self) -> int | None:
        """Where the model's speech was cut, in milliseconds; None: it was not."""
        return self._entry.heard_ms

    @property
    def tool(self) -> ToolCall | None:
        """The function that is called; None: it is no call."""
        entry = self._entry
        return ToolCall(entry.name, entry.call_id, self.arguments) if entry.type == "function_call" else None

    @property
    def arguments(self) -> str:
        """Of a function call: JSON text, as much as has come."""
        return self._entry.arguments or self._entry.drafted

    @property
    def call_id(self) -> str:
        """Of a function call, or its output."""
        return self._entry.call_id

    @property
    def output(self) -> str:
        """What a function has given: the text that the model gets."""
        return self._entry.output

    @property
    def pictures(self) -> int:
        """How many pictures are in it."""
        return self._entry.pictures

    @property
    def response_id(self) -> str:
        """The response that made it, or ``""``."""
        return self._entry.response_id

    def stands_for(self, entry: Entry | None) -> bool:
        """Whether this is the entry's item: an id may come again when its item is gone."""
        return self._entry is entry

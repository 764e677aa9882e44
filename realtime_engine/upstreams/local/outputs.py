"""One item of a response: how it begins, its pieces and when they come, and how it ends.

Three kinds of item, one shape. Nothing is sent here and nobody waits: a response (`responses.py`) takes the pieces
when their time has come. Source of the orders: protocol.md, section 7.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol, TypedDict

import msgspec

from realtime_engine.audio import AudioFormat, encode_base64
from realtime_engine.events import (
    Event,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)
from realtime_engine.objects import ContentPart, Item
from realtime_engine.upstreams.local.transcripts import words

DELTA_SECONDS: Final = 0.2  # of audio in a delta; the last of an item is 0.1 to 0.3 s
WORD_SECONDS: Final = 0.01  # between deltas of text and of arguments
CALL_SECONDS: Final = 0.02  # from a call's last argument to its end


class Piece(NamedTuple):
    """A delta of an item: text, or audio.

    ``after`` is in seconds since the item began.
    """

    after: float
    text: str = ""
    audio: bytes = b""


class Place(TypedDict):
    """Where an item stands, as all of its events say."""

    response_id: str
    item_id: str
    output_index: int


class Output(Protocol):
    """An item in the making.

    Attributes:
        place: Where it stands.
        seconds: How long it takes, from its beginning to its end.
    """

    place: Place
    seconds: float

    def pieces(self) -> Iterator[Piece]:
        """Its deltas, in the order of their times."""

    def item(self, status: str) -> Item:
        """The item as it is now."""

    def opening(self) -> Iterator[Event]:
        """What is said once the item is announced."""

    def delta(self, piece: Piece) -> Event:
        """A piece as an event; it is part of the item from now on."""

    def closing(self) -> Iterator[Event]:
        """What is said before the item is done, however much of it there is."""


class Spoken:
    """An assistant's speech. The transcript runs ahead of the audio, which comes at ``pace`` times real time."""

    def __init__(self, place: Place, text: str, audio: bytes, format: AudioFormat, *, pace: float) -> None:  # noqa: A002
        self.place = place
        self.seconds = format.seconds(len(audio)) / pace
        self._text = text
        self._audio = audio
        self._format = format
        self._pace = pace
        self._said = ""

    def pieces(self) -> Iterator[Piece]:
        """Audio when it would be generated; the words in the first half of that time."""
        pieces = words(self._text)
        texts = [Piece(self.seconds * n / len(pieces) / 2, text=piece) for n, piece in enumerate(pieces)]
        yield from sorted((*texts, *self._sounds()), key=lambda piece: piece.after)

    def _sounds(self) -> Iterator[Piece]:
        size = self._format.size(DELTA_SECONDS)
        start = 0
        while start < len(self._audio):
            rest = len(self._audio) - start
            stop = len(self._audio) if rest < size * 3 // 2 else start + size
            yield Piece(self._format.seconds(start) / self._pace, audio=self._audio[start:stop])
            start = stop

    def item(self, status: str) -> Item:
        """See `Output`."""
        content = () if status == "in_progress" else (ContentPart(type="output_audio", transcript=self._said),)
        return _message(self.place, status, content)

    def opening(self) -> Iterator[Event]:
        """See `Output`."""
        yield ResponseContentPartAdded(**self.place, part=ContentPart(type="audio", transcript=""))

    def delta(self, piece: Piece) -> Event:
        """See `Output`."""
        if piece.audio:
            base64 = msgspec.Raw(b'"%b"' % encode_base64(piece.audio))
            return ResponseOutputAudioDelta(**self.place, delta=base64)
        self._said += piece.text
        return ResponseOutputAudioTranscriptDelta(**self.place, delta=piece.text)

    def closing(self) -> Iterator[Event]:
        """See `Output`; the audio's end comes before the transcript's."""
        yield ResponseOutputAudioDone(**self.place)
        yield ResponseOutputAudioTranscriptDone(**self.place, transcript=self._said)
        yield ResponseContentPartDone(**self.place, part=ContentPart(type="audio", transcript=self._said))


class Written:
    """An assistant's text, word by word."""

    def __init__(self, place: Place, text: str) -> None:
        self.place = place
        self._words = words(text)
        self.seconds = len(self._words) * WORD_SECONDS
        self._written = ""

    def pieces(self) -> Iterator[Piece]:
        """See `Output`."""
        return (Piece(n * WORD_SECONDS, text=word) for n, word in enumerate(self._words))

    def item(self, status: str) -> Item:
        """See `Output`."""
        content = () if status == "in_progress" else (ContentPart(type="output_text", text=self._written),)
        return _message(self.place, status, content)

    def opening(self) -> Iterator[Event]:
        """See `Output`."""
        yield ResponseContentPartAdded(**self.place, part=ContentPart(type="text", text=""))

    def delta(self, piece: Piece) -> Event:
        """See `Output`."""
        self._written += piece.text
        return ResponseOutputTextDelta(**self.place, delta=piece.text)

    def closing(self) -> Iterator[Event]:
        """See `Output`."""
        yield ResponseOutputTextDone(**self.place, text=self._written)
        yield ResponseContentPartDone(**self.place, part=ContentPart(type="text", text=self._written))


class Called:
    """A call of a function. It has no content parts."""

    def __init__(self, place: Place, call_id: str, name: str, arguments: str) -> None:
        self.place = place
        self.call_id = call_id
        self._name = name
        self._arguments = arguments
        self._pieces = words(arguments)
        self.seconds = len(self._pieces) * WORD_SECONDS + CALL_SECONDS
        self._given = ""

    def pieces(self) -> Iterator[Piece]:
        """The arguments word by word; and at last nothing, which is when they are all there."""
        yield from (Piece(n * WORD_SECONDS, text=word) for n, word in enumerate(self._pieces))
        yield Piece(len(self._pieces) * WORD_SECONDS)

    def item(self, status: str) -> Item:
        """See `Output`."""
        return Item(
            id=self.place["item_id"],
            type="function_call",
            status=status,
            name=self._name,
            call_id=self.call_id,
            arguments=self._given,
        )

    def opening(self) -> Iterator[Event]:
        """See `Output`."""
        return iter(())

    def delta(self, piece: Piece) -> Event:
        """See `Output`. A client may answer the call as soon as its arguments are done, before it is."""
        if not piece.text:
            return FunctionCallArgumentsDone(**self.place, call_id=self.call_id, name=self._name, arguments=self._given)
        self._given += piece.text
        return FunctionCallArgumentsDelta(**self.place, call_id=self.call_id, delta=piece.text)

    def closing(self) -> Iterator[Event]:
        """See `Output`; a call that was cut short never gets its arguments done."""
        return iter(())


def _message(place: Place, status: str, content: tuple[ContentPart, ...]) -> Item:
    return Item(id=place["item_id"], type="message", status=status, role="assistant", content=content)

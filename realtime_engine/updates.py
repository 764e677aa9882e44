"""What a client tells its application: one frozen value for each thing that happens.

They are made for ``match``: each says what is new, and `realtime_engine.items.Item` what there is by now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from realtime_engine.items import Item
from realtime_engine.objects import ErrorDetail, Json, Usage


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """The server has begun the session, or changed it: ``session`` is all of it, as it is in effect."""

    session: dict[str, Json]


@dataclass(frozen=True, slots=True)
class ItemAppended:
    """An item is in the conversation; what was known of it before is in it."""

    item: Item


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The model has written a piece of text."""

    item: Item
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """A piece of what is said: by the model, ahead of its sound, or by the user."""

    item: Item
    transcript: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """The model has said a piece: whole samples, in the session's format. What comes of a cut answer is left out."""

    item: Item
    audio: bytes


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """The model has written a piece of a call's arguments."""

    item: Item
    arguments: str


@dataclass(frozen=True, slots=True)
class ItemChanged:
    """An item has changed otherwise than by growing: it was cut to what was heard, or ended incomplete, or the like."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemCompleted:
    """An item is complete; a transcript of what the user said may still come."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """An item is out of the conversation."""

    item: Item


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user speaks: stop playing, and `Client.interrupt` what is unheard."""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model begins to answer; ``metadata`` is what it was asked for with, by which answers can be told apart."""

    response_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """The model has ended an answer.

    Attributes:
        response_id: Its id.
        status: ``completed``, ``cancelled``, ``incomplete`` or ``failed``.
        error: Why it failed, as far as that is said.
        usage: The tokens it has used, as far as that is said.
        goes_on: It has called functions whose results are, or will be, answered by another response.
    """

    response_id: str
    status: str
    error: ErrorDetail | None
    usage: Usage | None
    goes_on: bool


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model calls a function.

    ``runs`` says that it is one of those added to the client, and so runs by itself; any other is the application's
    to answer, with `Client.send_tool_output`.
    """

    item: Item
    runs: bool


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A function has given its result; the model gets it as ``output``."""

    item: Item
    output: str


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """A function could not be called, raised, took too long, or gave what JSON cannot hold; the model is told so."""

    item: Item
    output: str


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """The server says that something went wrong; the session goes on. ``item``: what it is about, where it says so."""

    error: ErrorDetail
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class Unexpected:
    """The server has said, or was to be asked for, what the protocol does not have; it is left aside, and told once."""

    what: str


@dataclass(frozen=True, slots=True)
class Custom:
    """Something of the application's own: see `Client.dispatch`."""

    name: str
    data: object


@dataclass(frozen=True, slots=True)
class Missed:
    """Nobody has asked for updates for so long that the oldest of them are gone; the items have it all."""

    count: int


Update: TypeAlias = (
    SessionChanged
    | ItemAppended
    | TextDelta
    | TranscriptDelta
    | AudioDelta
    | ArgumentsDelta
    | ItemChanged
    | ItemCompleted
    | ItemDeleted
    | Interrupted
    | ResponseStarted
    | ResponseEnded
    | ToolCalled
    | ToolEnded
    | ToolFailed
    | ErrorReported
    | Unexpected
    | Custom
    | Missed
)

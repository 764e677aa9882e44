"""What a client's application asks its session to be: the shape for editors, and what has become of each change.

Source: protocol.md, section 5.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from realtime_engine.audio import AudioFormat as WireFormat
from realtime_engine.dialect import to_ga
from realtime_engine.errors import UsageError
from realtime_engine.objects import Json
from realtime_engine.options import ToolSchema
from realtime_engine.recovery import merged


class AudioFormat(TypedDict, total=False):
    """``rate`` is 24000, and only of ``audio/pcm``."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int


class TurnDetection(TypedDict, total=False):
    """How the server tells that a turn is over; each type has some of these."""

    type: Literal["server_vad", "semantic_vad", "none", "disabled"]
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    idle_timeout_ms: int | None
    eagerness: Literal["low", "medium", "high", "auto"]
    create_response: bool
    interrupt_response: bool


class Transcription(TypedDict, total=False):
    """Who writes down what the user says."""

    model: str
    language: str
    prompt: str


class NoiseReduction(TypedDict, total=False):
    """For which microphone."""

    type: Literal["near_field", "far_field"]


class InputAudio(TypedDict, total=False):
    """``audio.input``. ``none``, ``disabled`` and None all mean that the application says when a turn is over."""

    format: AudioFormat
    noise_reduction: NoiseReduction | None
    transcription: Transcription | None
    turn_detection: TurnDetection | Literal["server_vad", "semantic_vad", "none", "disabled"] | None


class OutputAudio(TypedDict, total=False):
    """``audio.output``. The voice cannot change once it was heard."""

    format: AudioFormat
    voice: str | Mapping[str, str]
    speed: float


class Audio(TypedDict, total=False):
    """``audio``."""

    input: InputAudio
    output: OutputAudio


class Function(TypedDict, total=False):
    """A function that the application answers itself: see `Client.send_tool_output`."""

    type: Literal["function"]
    name: str
    description: str
    parameters: Mapping[str, object]


class SessionSettings(TypedDict, total=False):
    """A session, or what is to change of it. A field that is not listed may be given all the same, in a plain dict."""

    type: Literal["realtime", "transcription"]
    instructions: str
    output_modalities: Sequence[Literal["audio", "text"]]
    audio: Audio
    tools: Sequence[Function]
    tool_choice: Literal["auto", "none", "required"] | Mapping[str, str]
    max_output_tokens: int | Literal["inf"]
    parallel_tool_calls: bool
    reasoning: Mapping[str, str]
    truncation: Literal["auto", "disabled"] | Mapping[str, object]
    tracing: Literal["auto"] | Mapping[str, object] | None
    include: Sequence[str] | None
    prompt: Mapping[str, object] | None


Settings: TypeAlias = SessionSettings | Mapping[str, object]
"""A session's settings, as an application gives them."""

MANUAL: Final = ("none", "disabled")
"""Names of what the protocol calls null: nobody but the application says when a turn is over."""

LASTING: Final = (("audio", "output", "voice"), ("tracing",))
"""What cannot change once it is used, so that a server may refuse even to hear it again."""

_MOST: Final = 64  # changes that a server may leave without an answer

_Object: TypeAlias = dict[str, Json]
_Path: TypeAlias = tuple[str, ...]
_REALTIME: Final = "realtime"
"""The kind of a session of which none is named."""

_FUNCTION: Final[_Object] = {"type": "function"}


@dataclass(slots=True)
class _Change:
    """What was asked for with an event of this id, and what the server has of `LASTING` if it grants that."""

    event_id: str
    settings: _Object
    lasting: dict[_Path, Json] = field(default_factory=dict)
    spoilt: bool = False  # the server was told of it together with what it has refused
    again: bool = False  # it is asked for once more


class AskedSettings:
    """All that was asked of a session so far, and what has become of it.

    A change is taken to hold until the server refuses it: then it is as if it had never been asked for. Settings may
    have the names that they had in the beta, which `realtime_engine.dialect` knows.

    Attributes:
        lost: What was asked for that the protocol no longer has.

    Raises:
        UsageError: The settings cannot be written as JSON.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.lost: set[str] = set()
        self._granted: _Object = {}
        self._lasting: dict[_Path, Json] = {}  # what the server has of `LASTING`
        self._asked: deque[_Change] = deque()
        self._offered = False  # whether the server was told of functions
        if settings is not None:
            self._granted = self._read(settings)

    @property
    def current(self) -> _Object:
        """All of it."""
        current = self._granted
        for change in self._asked:
            current = _changed(current, change.settings)
        return current

    @property
    def by_hand(self) -> frozenset[str]:
        """The names of the functions that the application answers itself."""
        return frozenset(str(tool.get("name")) for tool in _tools(self.current))

    @property
    def turn_detection(self) -> "Json | UnsetType":
        """``audio.input.turn_detection``; UNSET: nobody has said anything about it."""
        return _at(self.current, ("audio", "input", "turn_detection"))

    @property
    def input_format(self) -> WireFormat | None:
        """``audio.input.format``; None: nobody has said anything about it that can be understood."""
        try:
            return msgspec.convert(_at(self.current, ("audio", "input", "format")), WireFormat)
        except msgspec.ValidationError:
            return None

    @property
    def awaited(self) -> bool:
        """Whether the server has yet to answer."""
        return bool(self._asked)

    def begin(self, event_id: str) -> None:
        """What there is so far is asked for with an event of this id."""
        self._asked.appendleft(_Change(event_id, self._granted))
        self._granted = {}

    def change(self, settings: Settings, event_id: str, *, again: bool = False) -> None:
        """Ask for something more, with an event of this id; or for what `refused` has given, again.

        Raises:
            UsageError: It cannot be written as JSON.
        """
        self._asked.append(_Change(event_id, self._read(settings), again=again))
        if len(self._asked) > _MOST:
            self.granted()

    def granted(self) -> None:
        """The server has done what it was asked for first."""
        if self._asked:
            change = self._asked.popleft()
            self._granted = _changed(self._granted, change.settings)
            self._lasting |= change.lasting

    def refused(self, event_id: str) -> Settings | None:
        """The server has refused the change that this event asked for, if it was one.

        Returns:
            The change, if it may have been refused for the sake of one before it that the server was told again with
            it: then it is worth asking for again, once.
        """
        for at, change in enumerate(self._asked):
            if change.event_id == event_id:
                del self._asked[at]
                for later in islice(self._asked, at, None):
                    later.spoilt = True
                return change.settings if change.spoilt and not change.again else None
        return None

    def check(self, schemas: Sequence[ToolSchema]) -> None:
        """See that no two functions have one name.

        Raises:
            UsageError: One that is added has the name of one that the application answers.
        """
        for schema in schemas:
            if schema.name in self.by_hand:
                raise UsageError(f"there is a tool {schema.name!r} among the session's own: remove it, or rename one")

    def whole(self, schemas: Sequence[ToolSchema]) -> _Object:
        """The session as the server is told of it: all that was asked for, and the functions that are added to it.

        Raises:
            UsageError: See `check`.
        """
        self.check(schemas)
        kind: _Object = {"type": _REALTIME}
        session = kind | self.current
        tools: list[Json] = [*_tools(session), *map(_described, schemas)]
        if tools or "tools" in session or self._offered:
            session["tools"] = tools
            self._offered = True
        return self._without_what_lasts(session)

    def _without_what_lasts(self, session: _Object) -> _Object:
        """As much of it as the server may hear: what lasts is told until it is granted."""
        told = self._asked[-1].lasting if self._asked else self._lasting
        for path in LASTING:
            value = _at(session, path)
            if value is not UNSET:
                if path in self._lasting and self._lasting[path] == value:
                    session = _without(session, path)
                told[path] = value
        return session

    def _read(self, settings: Settings) -> _Object:
        """Settings as they go to the server."""
        try:
            given = msgspec.json.encode(settings)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"a session's settings cannot be written as JSON: {error}") from error
        if not given.startswith(b"{"):
            raise UsageError("a session's settings are an object: a dict of its fields")
        said, lost = to_ga(b'{"type":"session.update","session":%b}' % given)
        self.lost.update(lost)
        read = msgspec.json.decode(said, type=_Update).session
        if "type" not in settings:
            del read["type"]  # it is said anew each time
        audio = read.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        if isinstance(heard, dict) and "turn_detection" in heard:
            heard["turn_detection"] = _detection(heard["turn_detection"])
        return read


class _Update(Struct):
    session: dict[str, Any]


def _changed(settings: _Object, change: _Object) -> _Object:
    return cast("_Object", merged(settings, change))


def _detection(given: Json) -> Json:
    """Turn detection in the protocol's own words."""
    if given in MANUAL or (isinstance(given, dict) and given.get("type") in MANUAL):
        return None
    return {"type": given} if isinstance(given, str) else given


def _tools(session: _Object) -> list[_Object]:
    given = session.get("tools")
    return [_FUNCTION | tool for tool in given if isinstance(tool, dict)] if isinstance(given, list) else []


def _described(schema: ToolSchema) -> Json:
    parameters: Json = msgspec.json.decode(schema.parameters)
    return {"type": "function", "name": schema.name, "description": schema.description, "parameters": parameters}


def _at(session: Json, path: _Path) -> "Json | UnsetType":
    found: Json | UnsetType = session
    for name in path:
        found = found.get(name, UNSET) if isinstance(found, dict) else UNSET
    return found


def _without(session: _Object, path: _Path) -> _Object:
    """The same without one field; objects that are empty then are left out too."""
    name, rest = path[0], path[1:]
    within = session[name]
    kept = _without(within, rest) if rest and isinstance(within, dict) else {}
    return {key: value for key, value in session.items() if key != name} | ({name: kept} if kept else {})

"""What a process has done, in plain numbers: nothing here knows how they are shown. No clock, no I/O.

Numbers are kept where they arise: a connection counts its own messages and bytes, a `Watch` looks at the steps of one
conversation, and all of it is brought together only when somebody asks (`Metrics.totals`). Every label has a fixed set
of values; what a peer calls an error is counted under ``other`` unless the engine knows the word.
"""

from bisect import bisect_left
from collections.abc import Collection
from typing import Final, Literal, Protocol, Self, TypeAlias, TypeGuard

import msgspec
from msgspec import Struct, field

from realtime_engine.inputs import Side

Counts: TypeAlias = dict[str, int]
"""A number for each value of a label; where there are two labels, their values with a space between."""

Mode: TypeAlias = Literal["managed", "transparent"]

Refusal: TypeAlias = Literal["draining", "full", "address_full", "token", "origin", "host", "handshake"]
"""Why somebody was not let in."""

OTHER: Final = "other"

CODES: Final = frozenset({"1000", "1001", "1007", "1008", "1011", "1012", "1013"})
"""The codes that conversations are closed with."""

KILLED: Final = "1006"
"""What the conversations of a process have ended with that was killed: no close at all (RFC 6455, section 7.1.5)."""

STATUSES: Final = frozenset({"completed", "cancelled", "incomplete", "failed"})
"""How responses end (protocol.md, section 8)."""

ERRORS: Final = frozenset(
    {
        # of the protocol (protocol.md, section 10)
        *(
            "beta_api_shape_disabled",
            "call_id_not_found",
            "cannot_update_voice",
            "conversation_already_has_active_response",
        ),
        *("decimal_above_max_value", "decimal_below_min_value"),
        "input_audio_buffer_commit_empty",
        *("input_image_safety_violation", "insufficient_quota", "integer_above_max_value", "integer_below_min_value"),
        *("invalid_api_key", "invalid_event", "invalid_intent", "invalid_json", "invalid_model", "invalid_type"),
        *("invalid_value", "item_create_duplicate_item_id", "item_delete_invalid_item_id"),
        *("item_retrieve_invalid_item_id", "item_truncate_invalid_item_id", "missing_model"),
        *("missing_required_parameter", "rate_limit_exceeded", "response_cancel_not_active", "session_expired"),
        *("string_above_max_length", "unknown_parameter"),
        # of the protocol, where there is a type and no code
        *("invalid_request_error", "server_error"),
        # the engine's own
        *("limit_reached", "not_allowed", "upstream_closed"),
        # of a front's connection (RFC 6455, section 7.4.1)
        *("protocol_error", "bad_text", "too_big", "connection_lost"),
    }
)
"""The codes of errors that are counted under their own name."""

CONNECT_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
FIRST_AUDIO_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
SILENCE_SECONDS: Final = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)
"""Upper bounds of the histograms; those of silence lie around 20 ms, what a front may take, and 250 ms, when its report
comes too late."""


class Traffic(Protocol):
    """Counts what goes over one connection; "in" is what it has brought to the engine."""

    @property
    def messages_in(self) -> int:
        """Messages that have come: text and binary, no control frames."""

    @property
    def bytes_in(self) -> int:
        """Bytes that have come, with all that the connection's protocol adds, before TLS."""

    @property
    def messages_out(self) -> int:
        """Messages that were sent."""

    @property
    def bytes_out(self) -> int:
        """Bytes that have left."""


def counts(link: object) -> TypeGuard[Traffic]:
    """Whether a connection counts what goes over it; a plug-in's need not."""
    return hasattr(link, "messages_in")


class Histogram(Struct):
    """How often something took how long.

    Attributes:
        bounds: Upper bounds, in seconds, rising.
        counts: How many were in each, and, last, above all of them.
        total: All seconds together.
    """

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> Self:
        """Nothing has happened yet."""
        return cls(bounds, [0] * (len(bounds) + 1))

    def observe(self, seconds: float) -> None:
        """It has happened once more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def plus(self, other: "Histogram") -> "Histogram":
        """Both together; they have the same bounds."""
        counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total + other.total)


class Totals(Struct, kw_only=True):
    """All numbers of a process, or of several together (`plus`).

    Attributes:
        active: Conversations under way, by mode.
        started: Conversations begun, by mode.
        ended: Conversations ended, by close code.
        refused: Who was not let in, by the reason.
        messages: By side and direction (``front in``: from the front to the engine).
        bytes: The same for what went over the connections, before TLS.
        errors: By who told it and its code (``upstream invalid_value``); the ``engine`` tells fronts.
        responses: By status.
        tokens: Of responses and transcriptions, by direction and what they carried (``input audio``).
        cached: Input tokens that the model had seen before; they are in ``tokens`` too.
        recordings_cut: Recordings that ended before their conversation, or could not begin.
        workers_lost: Worker processes that have ended unasked.
        connect: From asking for a connection to the upstream until it is open.
        first_audio: From the end of what the person said until the first sound of an answer goes to the front.
        silence: From an interruption until the front is silent; see `realtime_engine.watch`.
    """

    active: Counts = field(default_factory=dict)
    started: Counts = field(default_factory=dict)
    ended: Counts = field(default_factory=dict)
    refused: Counts = field(default_factory=dict)
    messages: Counts = field(default_factory=dict)
    bytes: Counts = field(default_factory=dict)
    errors: Counts = field(default_factory=dict)
    responses: Counts = field(default_factory=dict)
    tokens: Counts = field(default_factory=dict)
    cached: int = 0
    recordings_cut: int = 0
    workers_lost: int = 0
    connect: Histogram = field(default_factory=lambda: Histogram.empty(CONNECT_SECONDS))
    first_audio: Histogram = field(default_factory=lambda: Histogram.empty(FIRST_AUDIO_SECONDS))
    silence: Histogram = field(default_factory=lambda: Histogram.empty(SILENCE_SECONDS))

    def plus(self, other: "Totals") -> "Totals":
        """Both together."""
        return Totals(
            active=_sum(self.active, other.active),
            started=_sum(self.started, other.started),
            ended=_sum(self.ended, other.ended),
            refused=_sum(self.refused, other.refused),
            messages=_sum(self.messages, other.messages),
            bytes=_sum(self.bytes, other.bytes),
            errors=_sum(self.errors, other.errors),
            responses=_sum(self.responses, other.responses),
            tokens=_sum(self.tokens, other.tokens),
            cached=self.cached + other.cached,
            recordings_cut=self.recordings_cut + other.recordings_cut,
            workers_lost=self.workers_lost + other.workers_lost,
            connect=self.connect.plus(other.connect),
            first_audio=self.first_audio.plus(other.first_audio),
            silence=self.silence.plus(other.silence),
        )

    def without_its_process(self) -> "Totals":
        """The same when the process that has counted is gone, and with it the conversations it held."""
        lost = sum(self.active.values())
        gone = Totals(active=dict.fromkeys(self.active, 0), ended={KILLED: lost} if lost else {})
        return msgspec.structs.replace(self, active={}).plus(gone)

    def carry(self, side: Side, traffic: Traffic) -> None:
        """Add what a connection has carried."""
        for direction, messages, size in (
            ("in", traffic.messages_in, traffic.bytes_in),
            ("out", traffic.messages_out, traffic.bytes_out),
        ):
            key = f"{side.value} {direction}"
            add(self.messages, key, messages)
            add(self.bytes, key, size)


class Metrics:
    """The numbers of this process.

    Attributes:
        kept: All but what open connections have carried so far.
    """

    def __init__(self) -> None:
        self.kept = Totals()
        self._open: dict[int, tuple[Side, Traffic]] = {}

    def began(self, mode: Mode) -> None:
        """A conversation is under way, until it has `ended`."""
        add(self.kept.started, mode)
        add(self.kept.active, mode)

    def ended(self, mode: Mode, code: int) -> None:
        """A conversation was closed with this code."""
        add(self.kept.active, mode, -1)
        add(self.kept.ended, _known(str(code), CODES))

    def opened(self, side: Side, link: Traffic) -> None:
        """A connection is open, until it is `closed`."""
        self._open[id(link)] = (side, link)

    def closed(self, link: Traffic) -> None:
        """A connection carries nothing any more."""
        side, _ = self._open.pop(id(link))
        self.kept.carry(side, link)

    def refused(self, reason: Refusal) -> None:
        """Somebody was not let in."""
        add(self.kept.refused, reason)

    def error(self, source: Literal["engine", "upstream", "front"], code: str | None) -> None:
        """An error was told."""
        add(self.kept.errors, f"{source} {_known(code, ERRORS)}")

    def response(self, status: str | None) -> None:
        """A response has ended."""
        add(self.kept.responses, _known(status, STATUSES))

    def recording_cut(self) -> None:
        """A recording has ended before its conversation, or could not begin."""
        self.kept.recordings_cut += 1

    def totals(self) -> Totals:
        """All numbers as they are now; a copy."""
        totals = self.kept.plus(Totals())
        for side, link in self._open.values():
            totals.carry(side, link)
        return totals


def add(counts: Counts, key: str, number: int = 1) -> None:
    """Count something."""
    counts[key] = counts.get(key, 0) + number


def _sum(some: Counts, more: Counts) -> Counts:
    return {key: some.get(key, 0) + more.get(key, 0) for key in some | more}


def _known(value: str | None, known: Collection[str]) -> str:
    return value if value is not None and value in known else OTHER

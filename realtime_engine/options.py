"""What a session is made of: one frozen, serialisable value, written into every recording.

An option that an old recording lacks means the old behaviour, so a default is never changed: a new default is
chosen where options are made, not here.
"""

from typing import Final, Literal

from msgspec import Raw, Struct

from realtime_engine.dialect import Dialect
from realtime_engine.prices import Prices
from realtime_engine.tongues import UpstreamDialect

NO_SETTINGS: Final = Raw(b"null")

FLUSH_BYTES: Final = 8192
"""Microphone audio goes upstream in messages of so many bytes … (design.md, section 3, fixed default)"""

FLUSH_SECONDS: Final = 1.0
"""… or what there is when the oldest byte has waited so long, whichever comes first."""


class ToolSchema(Struct, frozen=True, kw_only=True):
    """A function that the model may call, as it is told of it. ``parameters`` is a JSON schema."""

    name: str
    description: str = ""
    parameters: Raw = Raw(b'{"type":"object","properties":{}}')


class Policy(Struct, frozen=True, kw_only=True):
    """What a front may ask of the model.

    Attributes:
        pinned: Session fields that the front may not set, by dotted path (``audio.output.voice``), each with
            the reason. A path pins all that is under it. ``response.create`` is held to the same.
            A ``prompt`` template brings settings of its own: where anything is pinned, it must be listed in
            ``may_set`` to be set.
        may_set: ``all`` that is not pinned, ``none``, or exactly the fields listed (dotted paths).
        max_depth: How deeply JSON from the front may be nested.
    """

    pinned: dict[str, str] = {}
    may_set: Literal["all", "none"] | tuple[str, ...] = "all"
    max_depth: int = 64


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one conversation; None: no bound.

    Attributes:
        duration: Seconds a conversation may last.
        idle: Seconds without a message from the front.
        tokens: Tokens that all responses and transcripts together may use.
        cost: What all of them may cost, by the ``prices``; a model that has no price then ends the conversation.
        prices: What tokens cost.
        pending_bytes: What may wait for an upstream that is not open yet.
        held_bytes: Speech that may wait for its time to be heard.
    """

    duration: float | None = None
    idle: float | None = None
    tokens: int | None = None
    cost: float | None = None
    prices: Prices | None = None
    pending_bytes: int = 8 << 20
    held_bytes: int = 64 << 20


class Reconnect(Struct, frozen=True, kw_only=True):
    """How a managed session comes back to a model whose connection is lost, and goes on.

    Attributes:
        delays: Seconds before each attempt to connect; after the last the conversation ends.
        renew_after: Seconds after which a connection is made anew, in the first quiet moment, before the server's
            own limit ends it (60 minutes at the hosted service); None: never. It counts from when the connection
            was opened: the server's ``expires_at`` is a time of day, which a session does not know.
    """

    delays: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    renew_after: float | None = 55 * 60.0


class SessionOptions(Struct, frozen=True, kw_only=True):
    """All that a session depends on, beside its inputs.

    Attributes:
        mode: ``managed``: the front is a microphone, a loudspeaker and a screen, and the session does the
            rest. ``transparent``: the front is itself a Realtime client; frames pass untouched.
        dialect: How the front speaks: the ``beta`` is translated (`realtime_engine.interpreter`).
        upstream: The upstream's name, for the person.
        upstream_dialect: How its server speaks: what is not the GA is translated too.
        settings: The JSON object sent as ``session.update`` when the upstream opens; null: none is sent.
        flush_bytes: See `FLUSH_BYTES`.
        flush_seconds: See `FLUSH_SECONDS`.
        lead: How far ahead of the ear, in seconds, the front wants audio; None: as soon as it comes.
        reports: The front says what was really heard (``output_audio_buffer.played``).
        detects_speech: The front has a detector of its own (``engine.speech_started``, ``engine.speech_stopped``).
            The server is then to be told neither to interrupt nor to answer: the session does both.
        keep_items: How many of the newest items of the conversation are kept.
        keep_audio: Seconds of the newest microphone audio that are kept.
        tools: The functions that the engine runs for the model.
        front_tools: The functions that the front answers by itself; a call of any that neither has is the engine's to
            answer, with a failure. None: all that the engine does not run.
        tool_failures: The front is told when one of them fails (``engine.tool_failed``), and so is the log.
        reconnect: How a managed session comes back to a lost model; None: the conversation then ends.
    """

    mode: Literal["managed", "transparent"] = "managed"
    dialect: Dialect = "ga"
    upstream: str = ""
    upstream_dialect: UpstreamDialect = "ga"
    settings: Raw = NO_SETTINGS
    flush_bytes: int = FLUSH_BYTES
    flush_seconds: float = FLUSH_SECONDS
    lead: float | None = None
    reports: bool = False
    detects_speech: bool = False
    keep_items: int = 1000
    keep_audio: float = 30.0
    tools: tuple[ToolSchema, ...] = ()
    front_tools: tuple[str, ...] | None = None
    tool_failures: bool = False
    policy: Policy = Policy()
    limits: Limits = Limits()
    reconnect: Reconnect | None = None

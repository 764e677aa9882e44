"""What every conversation is made from, whoever speaks and whoever answers; the plug-ins have options of their own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from realtime_engine.sizes import size


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOptions:
    """What every conversation is made from.

    Attributes:
        transport: Where the person is.
        upstream: Who answers: NAME, NAME:PATH where it reads a file, azure:RESOURCE/DEPLOYMENT, or the address of a
            Realtime server (wss://…). Without it OpenAI does where there is a key (OPENAI_API_KEY, or --key-file),
            else the embedded model, which needs no key and no network.
        model: The model's name.
        voice: The voice that it answers with.
        instructions: What it is told to be.
        session: A file with the whole session object, JSON or TOML; the flags count more.
        tools: A module whose public functions the model may call: an import path, or a .py file. A Realtime client is
            told nothing of them: it has its own.
        tool_timeout: Seconds that a call of such a function may take.
        tools_at_once: How many calls of one conversation run at the same time; more wait.
        record: Record every conversation in a new folder in this one.
        reconnect_attempts: How often a conversation that the engine leads tries to come back to a model that is lost;
            0: never. A Realtime client sees to that itself.
        renew_after: Seconds after which its connection is made anew in a quiet moment, before the server's own limit.
    """

    transport: str
    upstream: str | None = field(default=None, metadata={"secret": True})  # an address may hold a key
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    session: Path | None = None
    tools: str | None = None
    tool_timeout: float = 30.0
    tools_at_once: int = 8
    record: Path | None = None
    reconnect_attempts: int = 6
    renew_after: float = 55 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ConversationOptions):
    """What one conversation is made from."""

    transport: str = "wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions(ConversationOptions):
    """What a server is made from.

    Attributes:
        client_may_set: The session fields that clients may set: all, none, or the fields, separated by commas
            (audio.input.turn_detection,output_modalities). What is set here is never theirs to set. Without it
            all of the rest is where only this computer can connect, else turn detection, transcription and the
            kind of output.
        record_quota: What all recordings together may take, such as 20G; the oldest finished ones go first.
        record_keep: Days for which a finished recording is kept.
        log: How the log is written to standard error: for people, or a line of JSON an event.
        verbose: Say more in the log.
    """

    transport: str = "ws"
    client_may_set: str | None = None
    record_quota: int | None = field(default=None, metadata={"parse": size, "metavar": "SIZE"})
    record_keep: float | None = None
    log: Literal["console", "json"] = "console"
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """What one conversation may take; what is over ends it, with a reason.

    Attributes:
        max_duration: Seconds that a conversation may last.
        max_idle: Seconds without a word from the client.
        max_tokens: Tokens that a conversation may use.
        max_cost: What a conversation may cost, by [prices] of the configuration and in its currency.
    """

    max_duration: float | None = None
    max_idle: float | None = None
    max_tokens: int | None = None
    max_cost: float | None = None

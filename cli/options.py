"""What every conversation is made from, whoever speaks and whoever answers; the plug-ins have options of their own."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOptions:
    """What every conversation is made from.

    Attributes:
        transport: Where the person is.
        upstream: Who answers: NAME, NAME:PATH where it reads a file, or the address of a Realtime server (wss://…).
            Without it OpenAI does where there is a key (OPENAI_API_KEY, or --key-file), else the embedded model,
            which needs no key and no network.
        model: The model's name.
        voice: The voice that it answers with.
        instructions: What it is told to be.
        session: A file with the whole session object, JSON or TOML; the flags count more.
        tools: A module whose public functions the model may call: an import path, or a .py file.
        record: Record every conversation in a new folder in this one.
    """

    transport: str
    upstream: str | None = None
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    session: Path | None = None
    tools: str | None = None
    record: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(ConversationOptions):
    """What one conversation is made from."""

    transport: str = "wav"

"""What the session is asked to be: the settings of a file, and the flags, which count more."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Raw

from cli.documents import read_document
from cli.options import ConversationOptions
from realtime_engine.errors import UsageError
from realtime_engine.objects import Json
from realtime_engine.options import NO_SETTINGS, Reconnect
from realtime_engine.reconnection import reconnect

MOST_ATTEMPTS = 1000

_Object: TypeAlias = dict[str, Json]


def check_folder(record: Path | None) -> None:
    """Look at ``--record`` before anything begins.

    Raises:
        UsageError: It cannot be a folder.
    """
    if record is not None and record.exists() and not record.is_dir():
        raise UsageError(f"--record {record}: this is no folder; name one")


def session_settings(options: ConversationOptions, *, session: Mapping[str, Json] = {}) -> Raw:
    """The ``session`` object of ``session.update`` (protocol.md, section 5); null: nothing was asked for.

    Args:
        options: The file and the flags.
        session: The object itself, which counts where no file is named.

    Raises:
        UsageError: The file cannot be read, or is no such object.
    """
    settings = _read(options.session) if options.session is not None else copy.deepcopy(dict(session))
    if options.model is not None:
        settings["model"] = options.model
    if options.voice is not None:
        _inner(_inner(settings, "audio"), "output")["voice"] = options.voice
    if options.instructions is not None:
        settings["instructions"] = options.instructions
    return Raw(msgspec.json.encode({"type": "realtime"} | settings)) if settings else NO_SETTINGS


def reconnect_of(options: ConversationOptions) -> Reconnect | None:
    """How a lost model is come back to.

    Raises:
        UsageError: A number makes no sense.
    """
    if not 0 <= options.reconnect_attempts <= MOST_ATTEMPTS:
        raise UsageError(f"--reconnect-attempts must be 0 to {MOST_ATTEMPTS}, not {options.reconnect_attempts}")
    if not options.renew_after > 0:
        raise UsageError(f"--renew-after must be more than 0 seconds, not {options.renew_after}")
    return reconnect(options.reconnect_attempts, options.renew_after)


def model_of(settings: Raw) -> str | None:
    """The model that the settings name."""
    named: Json = msgspec.json.decode(settings)
    model = named.get("model") if isinstance(named, dict) else None
    return model if isinstance(model, str) else None


def _read(file: Path) -> _Object:
    read = read_document(file, f"--session {file}", toml=file.suffix.lower() == ".toml")
    if not isinstance(read, dict):
        raise UsageError(f"--session {file}: not a session: it must be a JSON object")
    return read


def _inner(outer: _Object, name: str) -> _Object:
    """The object in an object, made if it is not there."""
    inner = outer.get(name)
    if not isinstance(inner, dict):
        inner = outer[name] = {}
    return inner

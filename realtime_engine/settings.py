"""What the operator has set: what each kind of session is asked to be, and what a front may then no longer set."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias, cast

from msgspec import Raw, ValidationError
from msgspec.json import decode

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.errors import UsageError
from realtime_engine.objects import Json, SessionConfig
from realtime_engine.options import NO_SETTINGS, ToolSchema

MaySet: TypeAlias = Literal["all", "none"] | tuple[str, ...]

_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "": (
        *("audio", "include", "instructions", "max_output_tokens", "model", "output_modalities", "parallel_tool_calls"),
        *("prompt", "reasoning", "tool_choice", "tools", "tracing", "truncation"),
    ),
    "audio": ("input", "output"),
    "audio.input": ("format", "noise_reduction", "transcription", "turn_detection"),
    "audio.input.format": ("rate", "type"),
    "audio.input.noise_reduction": ("strength", "type"),
    "audio.input.transcription": ("delay", "keywords", "language", "languages", "model", "prompt"),
    "audio.input.turn_detection": (
        *("create_response", "eagerness", "idle_timeout_ms", "interrupt_response", "prefix_padding_ms"),
        *("silence_duration_ms", "threshold", "type"),
    ),
    "audio.output": ("format", "speed", "voice"),
    "audio.output.format": ("rate", "type"),
    "audio.output.voice": ("id",),
    "prompt": ("id", "variables", "version"),
    "reasoning": ("effort",),
    "tool_choice": ("name", "server_label", "type"),
    "tracing": ("group_id", "metadata", "workflow_name"),
    "truncation": ("retention_ratio", "token_limits", "type"),
    "truncation.token_limits": ("post_instructions",),
}

FIELDS: Final = frozenset(f"{holder}.{part}".lstrip(".") for holder, parts in _PARTS.items() for part in parts)
"""The fields of a session that may be set, and what is in them (protocol.md, section 5)."""

ELSEWHERE: Final = ("audio.input.turn_detection", "audio.input.transcription", "output_modalities")
"""What people who come over a network may set, if the operator says nothing else: how they are heard, and answered."""

FORETOLD: Final = ("audio.input.turn_detection", "audio.input.transcription", "audio.output.voice", "instructions")
"""What people are shown of a session before it begins. Nothing in it is secret: every session tells it to its front."""

BY_OPERATOR: Final = "set by the operator"
BY_TOOLS: Final = "the engine runs tools of its own"

_GROUPS: Final = frozenset({"audio", "audio.input", "audio.output"})
"""Objects that only group settings. Any other object is one setting: a turn detection of another type is another."""

_Object: TypeAlias = dict[str, Json]


def with_tools(settings: Raw, tools: Sequence[ToolSchema]) -> Raw:
    """The settings of a session whose tools the engine runs, besides those that the settings name.

    Raises:
        UsageError: They name one of these.
    """
    if not tools:
        return settings
    taken = functions_of(settings)
    for tool in tools:
        if tool.name in taken:
            raise UsageError(
                f"the session has a function {tool.name!r} of its own: take it out, or rename that of --tools"
            )
    read = _read(settings)
    given = read.get("tools")
    read["tools"] = [*(given if isinstance(given, list) else []), *map(_tool, tools)]
    return _write(read)


def with_turns(settings: Raw, **turns: bool) -> Raw:
    """The settings with something about who interrupts and who answers; where turns are manual it is not theirs.

    Args:
        settings: The settings.
        turns: ``interrupt_response``, ``create_response`` (protocol.md, section 5).
    """
    read = _read(settings)
    audio = read.setdefault("audio", {})
    heard = audio.setdefault("input", {}) if isinstance(audio, dict) else None
    if not isinstance(heard, dict):
        return settings
    detection = heard.setdefault("turn_detection", {"type": "server_vad"})
    if not isinstance(detection, dict):
        return settings
    detection.update(turns)
    return _write(read)


def functions_of(settings: Raw) -> tuple[str, ...]:
    """The names of the functions that the settings tell the model of."""
    tools = _read(settings).get("tools")
    named = [tool.get("name") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return tuple(name for name in named if isinstance(name, str))


def with_manual_turns(settings: Raw) -> Raw:
    """The settings where the person says when a turn is over (protocol.md, section 5)."""
    read = _read(settings)
    audio = read.setdefault("audio", {})
    heard = audio.setdefault("input", {}) if isinstance(audio, dict) else None
    if not isinstance(heard, dict):
        return settings
    heard["turn_detection"] = None
    return _write(read)


def has_manual_turns(settings: Raw) -> bool:
    """Whether the person is to say when a turn is over (protocol.md, section 5)."""
    audio = _read(settings).get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    return isinstance(heard, dict) and heard.get("turn_detection", ...) is None


def input_format(settings: Raw) -> AudioFormat:
    """In what format the microphone is heard; where they do not say, or as nobody here knows, in the usual one."""
    try:
        session = decode(settings, type=SessionConfig | None)
    except ValidationError:
        return PCM16
    given = PCM16 if session is None else session.input_format
    return given if isinstance(given, AudioFormat) else PCM16


def for_transcription(settings: Raw) -> Raw:
    """As much of the settings as a session has that only transcribes (protocol.md, section 5)."""
    read = _read(settings)
    audio = read.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    kept: _Object = {"audio": {"input": heard}} if heard is not None else {}
    if "include" in read:
        kept["include"] = read["include"]
    return _write(kept, "transcription") if kept else NO_SETTINGS


def pins(settings: Raw) -> dict[str, str]:
    """The paths of all that the settings set, each with the reason why a front may not."""
    return dict.fromkeys(_by_path(_read(settings), ""), BY_OPERATOR)


def foretold(settings: Raw) -> dict[str, Json]:
    """What the settings say of that which a person is shown before there is a session, by path."""
    return {path: value for path, value in _by_path(_read(settings), "").items() if path in FORETOLD}


def may_set(text: str | None, *, local: bool) -> MaySet:
    """What ``--client-may-set`` says; without it, all where only this computer reaches the server.

    Raises:
        UsageError: It names what is no field of a session.
    """
    match text:
        case None:
            return "all" if local else ELSEWHERE
        case "all" | "none":
            return cast("MaySet", text)
    fields = tuple(field.strip() for field in text.split(","))
    for field in fields:
        if field not in FIELDS:
            raise UsageError(f"--client-may-set: a session has no field {field!r}; {_meant(field)}")
    return fields


def _meant(field: str) -> str:
    """What somebody may have meant who has named what is no field."""
    choices = ["all", "none", *sorted(FIELDS)]
    within = [known for known in choices if known.endswith(f".{field}")]
    for close in within or get_close_matches(field.lower(), choices, n=1):
        return f"did you mean {close}?"
    return f"say all, none, or some of: {', '.join(sorted(_settings('')))}"


def _settings(path: str) -> Iterator[str]:
    """The settings in a group, and in the groups in it."""
    for part in _PARTS[path.rstrip(".")]:
        if f"{path}{part}" in _GROUPS:
            yield from _settings(f"{path}{part}.")
        else:
            yield f"{path}{part}"


def _read(settings: Raw) -> _Object:
    read: Json = json.loads(bytes(settings))
    return read if isinstance(read, dict) else {}


def _write(settings: _Object, kind: str = "realtime") -> Raw:
    typed: _Object = {"type": kind}
    return Raw(json.dumps(typed | settings, ensure_ascii=False, separators=(",", ":")).encode())


def _by_path(settings: _Object, path: str) -> _Object:
    found: _Object = {}
    for key, value in settings.items():
        name = f"{path}{key}"
        if name in _GROUPS and isinstance(value, dict):
            found |= _by_path(value, f"{name}.")
        elif name != "type":
            found[name] = value
    return found


def _tool(tool: ToolSchema) -> Json:
    parameters: Json = json.loads(bytes(tool.parameters))
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": parameters}

"""``engine run``: one conversation, its flags made from the transport and the upstream that are named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from inspect import Signature
from pathlib import Path
from typing import Final

from cli.flags import arguments_of, make
from realtime_engine.errors import UsageError
from realtime_engine.plugins import TRANSPORTS, UPSTREAMS, MachineFront, Upstream, find

SUMMARY: Final = "Hold one conversation, and record it if you like."
_ELSEWHERE: Final = ("path", "model_name")
"""Options of upstreams that are no flags of their own: what stands behind the colon, and ``--model``."""

_HELP: Final = f"""{SUMMARY}

A person at the transport speaks, a model at the upstream answers.

  engine run --transport {{transport}} {{flags}}

  engine run --transport {{transport}} {{flags}} --upstream {{upstream}} --record my-recordings/

  engine run --transport {{transport}} {{flags}} --tools my_tools.py --session session.toml
"""
DEFAULT_TRANSPORT: Final = "wav"
DEFAULT_UPSTREAM: Final = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every conversation is made from.

    Attributes:
        transport: Where the person is.
        upstream: Who answers: NAME, or NAME:PATH where it reads a file. Without it the embedded model does,
            which needs no key and no network.
        model: The model's name.
        voice: The voice that it answers with.
        instructions: What it is told to be.
        session: A file with the whole session object, JSON or TOML; the flags count more.
        tools: A module whose public functions the model may call: an import path, or a .py file.
        record: Record the conversation in a new folder in this one.
    """

    transport: str = DEFAULT_TRANSPORT
    upstream: str | None = None
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    session: Path | None = None
    tools: str | None = None
    record: Path | None = None


def run_with(tokens: Sequence[str]) -> Callable[..., int]:
    """The command for the transport and the upstream that are named on the command line.

    Raises:
        UsageError: They are unknown; the message names those that are known.
    """
    transport = _value_of("--transport", tokens) or DEFAULT_TRANSPORT
    name, _, path = (_value_of("--upstream", tokens) or DEFAULT_UPSTREAM).partition(":")
    front, upstream = find(TRANSPORTS, transport), find(UPSTREAMS, name)
    behind_colon = _path_of(upstream.Options, name, path)

    def run(**flags: object) -> int:
        common = make(RunOptions, flags)
        return _run(
            common,
            front(make(front.Options, flags)),
            upstream(make(upstream.Options, flags, **behind_colon, **_model_of(upstream.Options, common.model))),
        )

    arguments = [
        *arguments_of(RunOptions, group="Conversation"),
        *arguments_of(front.Options, group=f"Transport {transport}"),
        *arguments_of(upstream.Options, group=f"Upstream {name}", leave_out=_ELSEWHERE),
    ]
    names = [argument.name for argument in arguments]
    if len(set(names)) < len(names):
        clash = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"both {transport!r} and {name!r} have a flag --{clash}: a plug-in must rename its own")
    run.__signature__ = Signature(arguments)  # type: ignore[attr-defined]  # what cyclopts makes the flags from
    run.__doc__ = _HELP.format(transport=transport, flags=front.example, upstream=name)
    return run


def _run(common: RunOptions, front: MachineFront, upstream: Upstream) -> int:
    from cli.screen import open_screen
    from cli.settings import session_settings
    from cli.talk import Talk
    from realtime_engine.options import SessionOptions
    from realtime_engine.tools import load_tools

    if common.record is not None and common.record.is_file():
        raise UsageError(f"--record {common.record}: this is a file; name a folder")
    tools = load_tools(common.tools) if common.tools is not None else None
    schemas = tools.schemas if tools is not None else ()
    options = SessionOptions(
        upstream=upstream.name,
        settings=session_settings(
            common.session, model=common.model, voice=common.voice, instructions=common.instructions, tools=schemas
        ),
        lead=front.lead,
        reports=front.reports,
        tools=schemas,
    )
    with open_screen(stdout_is_taken=front.uses_stdout) as screen:
        if common.upstream is None:
            screen.hint(f"no --upstream was named: {DEFAULT_UPSTREAM!r} answers, the embedded model; it needs no key")
        return Talk(front, upstream, options, tools, common.record, screen).hold()


def _value_of(flag: str, tokens: Sequence[str]) -> str | None:
    """What stands behind a flag, before the command line is parsed."""
    for at, token in enumerate(tokens):
        if token == flag:
            return next(iter(tokens[at + 1 :]), None)
        if token.startswith(f"{flag}="):
            return token.removeprefix(f"{flag}=")
    return None


def _path_of(options: type, name: str, path: str) -> Mapping[str, Path]:
    """The path behind the colon, for the field of that name.

    Raises:
        UsageError: There is one and the upstream takes none, or the other way round.
    """
    field = next((field for field in fields(options) if field.name == "path"), None)
    if field is None and path:
        raise UsageError(f"--upstream {name} takes no path: leave :{path} out")
    if field is not None and not path and field.default is MISSING:
        raise UsageError(f"--upstream {name} needs a path: --upstream {name}:PATH")
    return {"path": Path(path)} if path else {}


def _model_of(options: type, model: str | None) -> Mapping[str, str]:
    """The model's name, for an upstream that must know it when it connects: no session can change it later."""
    if model is None or all(field.name != "model_name" for field in fields(options)):
        return {}
    return {"model_name": model}

"""``engine run``: one conversation, its flags made from the transport and the upstream that are named."""

from collections.abc import Callable, Sequence
from inspect import Signature
from typing import TYPE_CHECKING, Final

from cli.chosen import ENGINE, ChosenUpstream, choose_transport, choose_upstream, distinct, key_among, made
from cli.flags import arguments_of, make, value_of
from cli.options import RunOptions
from cli.toolbox import choose_tools, make_tools, tool_arguments
from realtime_engine.finding import TRANSPORTS, UPSTREAMS
from realtime_engine.plugins import Front, as_needed, dialect_of, tools_of

if TYPE_CHECKING:
    from realtime_engine.tools import Runner

_HELP: Final = """Hold one conversation, and record it if you like.

A person at the transport speaks, a model at the upstream answers.

  engine run --transport {transport} {flags}

  engine run --transport {transport} {flags} --upstream {upstream} --record my-recordings/

  engine run --transport {transport} {flags} --tools my_tools.py --session session.toml
"""


def command(tokens: Sequence[str]) -> Callable[..., int]:
    """The command for the transport and the upstream that are named on the command line.

    Raises:
        UsageError: They are unknown; the message names those that are known.
    """
    transport = value_of("--transport", tokens) or RunOptions().transport
    front = choose_transport(transport, server=False)
    upstream = choose_upstream(value_of("--upstream", tokens), key=key_among(tokens))
    named = value_of("--tools", tokens)
    tools = choose_tools(named)

    def run(**flags: object) -> int:
        common = make(RunOptions, flags)
        return _run(
            common, made(TRANSPORTS, transport, front, flags), upstream, make_tools(tools, flags, common), flags
        )

    arguments = {
        ENGINE: arguments_of(RunOptions, group="Conversation"),
        (TRANSPORTS, transport): arguments_of(front.Options, group=f"Transport {transport}"),
        (UPSTREAMS, upstream.name): upstream.arguments(),
        ("", f"--tools {named}"): tool_arguments(tools),
    }
    run.__signature__ = Signature(distinct(arguments))  # type: ignore[attr-defined]  # for cyclopts
    run.__doc__ = _HELP.format(transport=transport, flags=front.example, upstream=upstream.name)
    return run


def _run(
    common: RunOptions,
    front: Front,
    chosen: ChosenUpstream,
    tools: "Runner | None",
    flags: dict[str, object],
) -> int:
    from cli.screen import open_screen
    from cli.settings import check_folder, model_of, reconnect_of, session_settings
    from cli.talk import Talk
    from realtime_engine.options import SessionOptions
    from realtime_engine.settings import functions_of, with_tools

    check_folder(common.record)
    settings = session_settings(common)
    upstream = chosen.make(flags, model=model_of(settings))
    tools = tools or tools_of(upstream)
    schemas = tools.schemas if tools is not None else ()
    options = SessionOptions(
        upstream=upstream.name,
        upstream_dialect=dialect_of(upstream),
        settings=with_tools(settings, schemas),
        lead=front.lead,
        reports=front.reports,
        tools=schemas,
        front_tools=functions_of(settings) if schemas else None,
        tool_failures=True,
        reconnect=reconnect_of(common),
    )
    with open_screen(stdout_is_taken=front.uses_stdout) as screen:
        if chosen.why is not None:
            screen.hint(chosen.introduction)
        return Talk(front, upstream, as_needed(front, options), tools, common.record, screen).hold()

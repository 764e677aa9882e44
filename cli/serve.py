"""``engine serve``: many conversations, each at a transport that serves.

Its flags are made from the transport and the upstream that are named: on the command line, in the environment, or in
``engine.toml``.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from inspect import Signature
from logging import INFO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.chosen import (
    ELSEWHERE,
    ENGINE,
    HOSTED,
    KEYS,
    ChosenUpstream,
    check_options,
    choose_transport,
    choose_upstream,
    distinct,
    key_among,
    made,
)
from cli.flags import arguments_of, flag_of, make, value_of
from cli.given import PLUGINS, ConfigFile, from_environment, variable_of
from cli.options import LimitOptions, ServeOptions
from cli.toolbox import check_tools, choose_tools, make_tools, tool_arguments
from realtime_engine.errors import UsageError
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, find
from realtime_engine.plugins import Discreet, Upstream, tools_of
from realtime_engine.servers import Server, is_supervisor

if TYPE_CHECKING:
    from realtime_engine.options import Limits
    from realtime_engine.tool_modules import ToolModule
    from realtime_engine.tools import Runner

_HELP: Final = """Serve conversations: a page in the browser, and any Realtime client.

A page to talk at, and the OpenAI Realtime API for any of its clients; the key of the model stays here.

  engine serve --transport {transport} {flags}

  engine serve --transport {transport} --upstream wss://host/v1/realtime

  engine serve --config engine.toml

A flag counts more than the environment (ENGINE_MODEL for --model, and so on), the environment more than the file.
Ctrl-C or SIGTERM lets nobody in any more and gives conversations time to end; the second time it is at once.
"""

_VERBOSE: Final = frozenset({"--verbose", "-v"})
"""Flags of every command, which are taken from the command line before this one sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileOptions:
    """Where the rest is said.

    Attributes:
        config: A file with all that is not said here: engine config --example prints one.
    """

    config: Path | None = None


def command(tokens: Sequence[str]) -> Callable[..., int]:
    """The command for the transport and the upstream that are named.

    Raises:
        UsageError: They are unknown; or the configuration cannot be read, or has something in it that is unknown.
    """
    file = value_of("--config", tokens) or os.environ.get(variable_of("config"))
    config = ConfigFile.read(Path(file)) if file else ConfigFile()
    given = config.values(ServeOptions, "serve") | from_environment(ServeOptions)
    if not _VERBOSE.isdisjoint(tokens):
        given["verbose"] = True
    limits_given = config.values(LimitOptions, "limits") | from_environment(LimitOptions)
    common = make(ServeOptions, given)
    transport = value_of("--transport", tokens) or common.transport
    front = choose_transport(transport, server=True)
    front_given = config.values(front.Options, "transport", transport) | from_environment(front.Options)
    upstream = choose_upstream(value_of("--upstream", tokens) or common.upstream, key=_key(tokens, config))
    named = value_of("--tools", tokens) or common.tools
    tools = choose_tools(named)
    tools_given = _of_tools(tools, config)
    options = upstream.plugin.Options
    upstream_given = config.values(options, "upstream", upstream.name) | from_environment(options, leave_out=ELSEWHERE)

    def serve(**flags: object) -> int:
        common = make(ServeOptions, given | flags)
        return _serve(
            common,
            make(LimitOptions, limits_given | flags),
            made(TRANSPORTS, transport, front, front_given | flags),
            upstream,
            upstream_given | flags,
            make_tools(tools, tools_given | flags, common),
            config,
        )

    arguments = {
        ENGINE: [
            *arguments_of(_FileOptions, group="Conversations"),
            *arguments_of(ServeOptions, group="Conversations", leave_out=("verbose",), given=given),
            *arguments_of(LimitOptions, group="Limits", given=limits_given),
        ],
        (TRANSPORTS, transport): arguments_of(front.Options, group=f"Transport {transport}", given=front_given),
        (UPSTREAMS, upstream.name): upstream.arguments(upstream_given),
        ("", f"--tools {named}"): tool_arguments(tools, tools_given),
    }
    serve.__signature__ = Signature(distinct(arguments))  # type: ignore[attr-defined]  # for cyclopts
    serve.__doc__ = _HELP.format(transport=transport, flags=front.example)
    return serve


def check_config(config: ConfigFile) -> None:
    """Look at what a file alone decides, with whatever flags and environment it is used.

    Raises:
        UsageError: ``engine serve`` would refuse it.
    """
    from cli.settings import reconnect_of
    from realtime_engine.settings import may_set

    common = make(ServeOptions, config.values(ServeOptions, "serve"))
    try:
        choose_transport(common.transport, server=True)
        choose_upstream(common.upstream, key=None)
        tools = choose_tools(common.tools)
        check_tools(common)
        may_set(common.client_may_set, local=True)
        reconnect_of(common)
        _check_positive(_bounds(common))
        _limits(make(LimitOptions, config.values(LimitOptions, "limits")), config)
        for kind, group in PLUGINS.items():
            for name in config.table(kind):
                plugin = find(group, name)
                check_options(group, name, plugin, config.values(plugin.Options, kind, name))
    except UsageError as error:
        raise UsageError(f"{config.name}: {error}") from error
    if tools is not None:
        config.values(tools.Options, "tools")


def _of_tools(module: "ToolModule | None", config: ConfigFile) -> dict[str, object]:
    """What is said to the functions of a module beside the command line.

    Raises:
        UsageError: The file has something that the module does not know, or nobody names a module.
    """
    if module is not None:
        return config.values(module.Options, "tools") | from_environment(module.Options)
    if config.table("tools"):
        raise UsageError(f"{config.name}: [tools] needs a module of functions: tools in [serve], or --tools MODULE")
    return {}


def _key(tokens: Sequence[str], config: ConfigFile) -> str | None:
    """Where a key of the hosted model is: a flag, a variable, or in the file."""
    if key := key_among(tokens):
        return key
    for name in KEYS:
        if os.environ.get(variable_of(name)):
            return f"{variable_of(name)} is set"
        if config.table("upstream", HOSTED).get(name):
            return f"{config.where(name, 'upstream', HOSTED)} is there"
    return None


def _serve(
    common: ServeOptions,
    limits: LimitOptions,
    server: Server,
    chosen: ChosenUpstream,
    values: Mapping[str, object],
    tools: "Runner | None",
    config: ConfigFile,
) -> int:
    from cli.logs import configure
    from cli.serving import serve_until_told
    from cli.settings import model_of, reconnect_of, session_settings
    from realtime_engine.journal import log
    from realtime_engine.network import open_network
    from realtime_engine.options import Policy
    from realtime_engine.readiness import LINGER
    from realtime_engine.recording.keep import open_recordings
    from realtime_engine.service import Service
    from realtime_engine.settings import may_set, pins, with_tools

    _check_recording(common)
    settings = session_settings(common, session=config.table("session"))
    upstream = chosen.make(values, model=model_of(settings))
    tools = tools or tools_of(upstream)
    if tools is not None:
        with_tools(settings, tools.schemas)  # no conversation could begin if this failed
    configure(verbose=common.verbose, level=INFO, form=common.log, secrets=_secrets(server, upstream), behind=True)
    policy = Policy(pinned=pins(settings), may_set=may_set(common.client_may_set, local=server.local))

    bounds = _limits(limits, config)
    reconnect = reconnect_of(common)

    @asynccontextmanager
    async def open_service() -> AsyncIterator[Service]:
        async with AsyncExitStack() as stack:
            recordings = None
            if common.record is not None:
                keeping = open_recordings(common.record, quota=common.record_quota, keep_days=common.record_keep)
                recordings = await stack.enter_async_context(keeping)
            yield Service(
                upstream=upstream,
                network=await stack.enter_async_context(open_network(linger=LINGER)),
                settings=settings,
                policy=policy,
                limits=bounds,
                tools=tools,
                reconnect=reconnect,
                recordings=recordings,
            )

    def announce(urls: Sequence[str]) -> None:
        if not urls:  # this process serves for another, which announces it
            return
        where = " or ".join(urls)
        if common.log == "json":
            log().info("serving", urls=where, upstream=chosen.introduction, access=server.access)
            return
        for line in (f"open {where}", chosen.introduction, server.access):
            with suppress(OSError):  # nobody reads it
                # the line's end with it, for the log is written by a thread of its own
                print(f"engine: {line}\n", end="", file=sys.stderr)  # noqa: T201 - the command's own word

    if is_supervisor(server):
        return server.supervise(announce)
    return serve_until_told(server, open_service, announce=announce)


def _limits(options: LimitOptions, config: ConfigFile) -> "Limits":
    """The limits of each conversation.

    Raises:
        UsageError: One leaves no room for any, or the cost is to be limited and nobody knows a price.
    """
    from cli.prices import read_prices
    from realtime_engine.options import Limits

    _check_positive(asdict(options))
    prices = read_prices(config)
    if options.max_cost is not None and prices is None:
        raise UsageError("--max-cost needs prices: [prices] in the file of --config; engine config --example shows it")
    return Limits(
        duration=options.max_duration,
        idle=options.max_idle,
        tokens=options.max_tokens,
        cost=options.max_cost,
        prices=prices,
    )


def _check_recording(options: ServeOptions) -> None:
    """Look at what is said of recordings before anything begins.

    Raises:
        UsageError: It makes no sense.
    """
    from cli.settings import check_folder

    check_folder(options.record)
    _check_positive(_bounds(options))
    for name, value in _bounds(options).items():
        if value is not None and options.record is None:
            raise UsageError(f"{flag_of(name)} needs --record: a folder to keep within it")


def _bounds(options: ServeOptions) -> Mapping[str, float | None]:
    return {"record_quota": options.record_quota, "record_keep": options.record_keep}


def _check_positive(values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise UsageError(f"{flag_of(name)} must be more than 0, not {value}")


def _secrets(server: Server, upstream: Upstream) -> Sequence[str]:
    """What the log must never show."""
    return [*server.secrets, *(upstream.secrets if isinstance(upstream, Discreet) else ())]

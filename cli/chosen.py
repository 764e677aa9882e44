"""The plug-ins that are chosen: who holds the conversations, and who answers."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from inspect import Parameter as Argument
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from cli.flags import arguments_of, default_of, flag_of, flags_of, make, value_of
from realtime_engine.errors import EngineError, UsageError
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, check_made, described, find
from realtime_engine.plugins import Upstream
from realtime_engine.servers import is_server
from realtime_engine.upstreams.named import ADDRESSES, BEHIND_COLON

HOSTED: Final = "openai"
"""The upstream that answers where a key is there, and the one that any other server's address is given to."""

EMBEDDED: Final = "local"
"""The upstream that answers where no key is there."""

KEY: Final = "OPENAI_API_KEY"
KEYS: Final = ("key_file", "upstream_header")
"""Options of the hosted upstream that are, or may be, a key."""

ELSEWHERE: Final = (*BEHIND_COLON, "model_name")
"""Options of upstreams that are no flags of their own: what stands behind the colon, and ``--model``."""

ENGINE: Final = ("", "the engine itself")
"""Whose a flag is that is no plug-in's."""

_OURS: Final = ("--help", "-h", "--version", "--verbose", "-v")
"""Flags of every command."""


class ChosenUpstream(NamedTuple):
    """An upstream, and what is known of it before the command line is parsed.

    Attributes:
        behind_colon: What its name was followed by, as a field of its options.
        why: Why it answers, where nobody has named one.
    """

    name: str
    plugin: type[Any]
    behind_colon: Mapping[str, object] = {}
    why: str | None = None

    @property
    def introduction(self) -> str:
        """Who answers, and why if nobody has named them. Of an address only the host: the rest may hold a key."""
        if self.why is not None:
            return f"no --upstream was named: {self.name!r} answers, {self.why}"
        url = self.behind_colon.get("url")
        return f"{self.name!r} answers" + (f", at {urlsplit(url).hostname}" if isinstance(url, str) else "")

    def arguments(self, given: Mapping[str, object] = {}) -> list[Argument]:
        """Its flags."""
        return arguments_of(self.plugin.Options, group=f"Upstream {self.name}", leave_out=ELSEWHERE, given=given)

    def make(self, values: Mapping[str, object], *, model: str | None) -> Upstream:
        """Make it out of the values of its flags. ``model`` must be known when it connects: it cannot change later.

        Raises:
            UsageError: The path that it needs is not there, or an option is wrong.
        """
        options = self.plugin.Options
        known = {**values, **self.behind_colon}
        names = {field.name for field in fields(options)}
        if model is not None and "model_name" in names:
            known["model_name"] = model
        missing = [field.name for field in fields(options) if field.name in BEHIND_COLON and field.default is MISSING]
        for name in missing:
            if name not in known:
                raise UsageError(f"--upstream {self.name} needs a {name}: --upstream {self.name}:{name.upper()}")
        upstream: Upstream = made(UPSTREAMS, self.name, self.plugin, known)
        return upstream


def choose_upstream(named: str | None, *, key: str | None) -> ChosenUpstream:
    """The upstream that a user wants.

    Args:
        named: What they have named: NAME, NAME:PATH, NAME:URL, or a server's address. None: nothing.
        key: Where a key of the hosted model is; None: there is none.

    Raises:
        UsageError: There is none of that name, or it takes nothing behind the colon.
    """
    if named is None:
        if key is not None:
            return ChosenUpstream(HOSTED, find(UPSTREAMS, HOSTED), why=key)
        return ChosenUpstream(EMBEDDED, find(UPSTREAMS, EMBEDDED), why="the embedded model; it needs no key")
    if named.startswith(ADDRESSES):
        named = f"{HOSTED}:{named}"
    elif named.startswith(("http://", "https://")):
        raise UsageError("--upstream: the address of a Realtime server begins with wss:// or ws://")
    name, _, behind = named.partition(":")
    plugin = find(UPSTREAMS, name)
    if not behind:
        return ChosenUpstream(name, plugin)
    for field in fields(plugin.Options):
        if field.name in BEHIND_COLON:
            return ChosenUpstream(name, plugin, {field.name: BEHIND_COLON[field.name](behind)})
    raise UsageError(f"--upstream {name} takes no path: leave :{behind} out")


def key_among(tokens: Sequence[str]) -> str | None:
    """Where a key of the hosted model is, by the environment and the command line; None: nowhere."""
    if os.environ.get(KEY):
        return f"{KEY} is set"
    return next((f"{flag_of(name)} is given" for name in KEYS if value_of(flag_of(name), tokens)), None)


def choose_transport(name: str, *, server: bool) -> type[Any]:
    """The transport that a user has named, for the command that can use it.

    Raises:
        UsageError: There is none of that name, or it is for the other command.
    """
    plugin = find(TRANSPORTS, name)
    if is_server(plugin) == server:
        return plugin
    if server:
        raise UsageError(f"the transport {name!r} holds one conversation: engine run --transport {name}")
    raise UsageError(f"the transport {name!r} serves many conversations: engine serve --transport {name}")


def made(group: str, name: str, plugin: type[Any], values: Mapping[str, object]) -> Any:
    """A plug-in, out of the values of its flags.

    Raises:
        EngineError: It says what is wrong with them.
        UsageError: It fails in another way, or lacks something. It may be a stranger's, so it is named.
    """
    try:
        made = plugin(make(plugin.Options, values))
    except EngineError:
        raise
    except Exception as error:
        raise UsageError(f"{described(group, name)} cannot begin: {type(error).__name__}: {error}") from error
    check_made(made, group, name)
    return made


def check_options(group: str, name: str, plugin: type[Any], values: Mapping[str, object]) -> None:
    """See what is wrong with the options of a plug-in, whatever is said besides; one that can tell has ``check``.

    Raises:
        EngineError: It says what is wrong.
        UsageError: It fails in another way.
    """
    needed = {field.name for field in fields(plugin.Options) if default_of(field) is Argument.empty}
    if not hasattr(plugin, "check") or not needed <= values.keys():
        return
    try:
        plugin.check(make(plugin.Options, values))
    except EngineError:
        raise
    except Exception as error:
        raise UsageError(f"{described(group, name)} fails: {type(error).__name__}: {error}") from error


def distinct(arguments: Mapping[tuple[str, str], Sequence[Argument]]) -> list[Argument]:
    """The arguments of all, of which no two have one flag.

    Args:
        arguments: By whose they are: a group of plug-ins and a name. Who comes first keeps the flag.

    Raises:
        UsageError: Two have one.
    """
    owners = dict.fromkeys(_OURS, ENGINE)
    for owner, own in arguments.items():
        for flag in (flag for argument in own for flag in flags_of(argument)):
            other = owners.setdefault(flag, owner)
            if other != owner:
                raise UsageError(
                    f"{_whose(*owner)} has a flag {flag}, as {_whose(*other)} has: rename the option there"
                )
    return [argument for own in arguments.values() for argument in own]


def _whose(group: str, name: str) -> str:
    return described(group, name) if group else name

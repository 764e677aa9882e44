"""Transports and upstreams, ours and a stranger's: how they are found, and what they must offer.

A plug-in is one class behind one entry point, in the group ``realtime_engine.transports`` or
``realtime_engine.upstreams``; the entry point's name is what the user types. The class is made from its options,
a dataclass from which the command line makes flags; both live in a module without heavy imports.

    [project.entry-points."realtime_engine.upstreams"]
    parrot = "parrot:Parrot"
"""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeGuard,
    cast,
    get_type_hints,
    runtime_checkable,
)

from realtime_engine.errors import UsageError
from realtime_engine.servers import Server, is_server

if TYPE_CHECKING:  # the flags of a plug-in are wanted long before a conversation is
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from realtime_engine.link import Link
    from realtime_engine.machine import Machine
    from realtime_engine.network import Network
    from realtime_engine.options import SessionOptions
    from realtime_engine.show import Show
    from realtime_engine.tongues import UpstreamDialect
    from realtime_engine.tools import Runner

TRANSPORTS = "realtime_engine.transports"
UPSTREAMS = "realtime_engine.upstreams"


class Wanted(NamedTuple):
    """What a Realtime client has asked for in its URL, before anything is said.

    Attributes:
        model: The model's name; None: the upstream's own choice.
        transcription: A session that only transcribes (``intent=transcription``).
    """

    model: str | None = None
    transcription: bool = False


ANYTHING: Final = Wanted()
"""What a client wants that has asked for nothing in particular."""


class MachineFront(Protocol):
    """A front without I/O of its own; it runs on the real clock and on the virtual one.

    Attributes:
        lead: How far ahead of the ear it wants audio, in seconds; None: as soon as it comes.
        reports: Whether it says what was really heard.
        example: Its flags in a typical call, for the help.
    """

    Options: ClassVar[type]
    name: ClassVar[str]
    lead: ClassVar[float | None]
    reports: ClassVar[bool]
    example: ClassVar[str]

    @property
    def simulated(self) -> bool:
        """Whether its options ask for the virtual clock."""

    @property
    def uses_stdout(self) -> bool:
        """Whether standard output carries its sound, so that words must go elsewhere."""

    def open(self, session: SessionOptions, show: Show) -> AbstractContextManager[Machine]:
        """A new machine for one conversation; what it needs is checked first, and complete when the block ends.

        Raises:
            EngineError: At the beginning: it cannot begin. At the end: what went wrong.
        """


class MachineUpstream(Protocol):
    """An upstream without I/O; it runs on the real clock and on the virtual one.

    It may say how it speaks, if that is not the GA: see `dialect_of`.
    """

    Options: ClassVar[type]
    name: str

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        """A new machine for a new connection."""


class LinkUpstream(Protocol):
    """An upstream over a real connection. It may say how it speaks, if that is not the GA: see `dialect_of`."""

    Options: ClassVar[type]
    name: str

    def open(
        self, clock: Callable[[], float], network: Network, wanted: Wanted = ANYTHING
    ) -> AbstractAsyncContextManager[Link]:
        """Connect, for as long as the block lasts.

        Args:
            clock: Gives the session's seconds.
            network: The sockets of the process.
            wanted: What the client asks for.

        Raises:
            UpstreamError: It refused, or did not answer in time.
        """


Upstream: TypeAlias = MachineUpstream | LinkUpstream


@runtime_checkable
class Discreet(Protocol):
    """An upstream that is trusted with something: a key, most likely."""

    @property
    def secrets(self) -> Sequence[str]:
        """What no log may show."""


@runtime_checkable
class Remembering(Protocol):
    """An upstream that knows what functions have returned."""

    @property
    def tools(self) -> Runner | None:
        """What it knows, for conversations that are given no functions; None: nothing was called."""


def tools_of(upstream: Upstream) -> Runner | None:
    """What an upstream knows of functions; None: nothing."""
    return upstream.tools if isinstance(upstream, Remembering) else None


def is_machine(upstream: Upstream) -> TypeGuard[MachineUpstream]:
    """Whether an upstream can be simulated."""
    return hasattr(upstream, "connect")


def dialect_of(upstream: Upstream) -> UpstreamDialect:
    """How an upstream speaks: what its ``dialect`` says, or else the GA."""
    dialect: UpstreamDialect = getattr(upstream, "dialect", "ga")
    return dialect


def for_conversation(upstream: Upstream) -> Upstream:
    """The upstream as another conversation has it: one that plays its connections in their order has ``anew``."""
    anew: Callable[[], Upstream] | None = getattr(upstream, "anew", None)
    return upstream if anew is None else anew()


def find(group: str, name: str, *, points: Sequence[EntryPoint] | None = None) -> type[Any]:
    """Load the plug-in that a user named.

    Raises:
        UsageError: There is none of that name (the message lists those there are), or there are two; or it cannot be
            loaded, or is no plug-in. The message names the package.
    """
    named = [point for point in _all(group, points) if point.name == name]
    if not named:
        known = ", ".join(sorted(installed(group, points=points))) or "none"
        raise UsageError(f"unknown {_kind(group)} {name!r}; known: {known}")
    if len(named) > 1:
        packages = " and ".join(_package(point) for point in named)
        raise UsageError(f"there is more than one {_kind(group)} {name!r}, of {packages}: uninstall all but one")
    (point,) = named
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:  # a stranger's code
        mend = "install what it needs" if isinstance(error, ModuleNotFoundError) else "mend it"
        problem = f"{type(error).__name__}: {error}"
        raise UsageError(f"{_named(group, point)} cannot be loaded: {mend}, or uninstall it ({problem})") from error
    _check(plugin, group, point)
    return cast("type[Any]", plugin)


def installed(group: str, *, points: Sequence[EntryPoint] | None = None) -> Mapping[str, EntryPoint]:
    """The plug-ins of a group, by name."""
    return {point.name: point for point in _all(group, points)}


def described(group: str, name: str) -> str:
    """A plug-in, for an error: "the upstream 'parrot' of the package birds 1.0"."""
    point = installed(group).get(name)
    return f"the {_kind(group)} {name!r}" if point is None else _named(group, point)


def _all(group: str, points: Sequence[EntryPoint] | None) -> Sequence[EntryPoint]:
    return tuple(entry_points(group=group)) if points is None else points


def _check(plugin: object, group: str, point: EntryPoint) -> None:
    """See that a plug-in is one.

    Raises:
        UsageError: It lacks something.
    """
    named = _named(group, point)
    if not isinstance(plugin, type):
        raise UsageError(f"{named} is no plug-in: {point.value} is no class")
    protocol = _protocol(plugin, group)
    _check_members(plugin, protocol, [name for name in _members(protocol) if _is_of_class(protocol, name)], named)
    options: object = getattr(plugin, "Options", None)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise UsageError(f"{named} is no plug-in: its Options must be a dataclass")
    try:
        get_type_hints(options)
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise UsageError(f"{named} is no plug-in: a type of its Options cannot be found: {error}") from error


def check_made(made: object, group: str, name: str) -> None:
    """See that a plug-in that was made has all that it must have.

    Raises:
        UsageError: It lacks something, or speaks as nobody understands.
    """
    protocol = _protocol(type(made), group)
    _check_members(made, protocol, _members(protocol), described(group, name))
    if group == UPSTREAMS:
        from realtime_engine.tongues import TONGUES  # whoever is made is wanted, and so is what it is understood with

        dialect: object = getattr(made, "dialect", "ga")
        if dialect not in TONGUES:
            known = ", ".join(TONGUES)
            raise UsageError(f"{described(group, name)} has the dialect {dialect!r}; known: {known}")


def _check_members(plugin: object, protocol: type, members: Sequence[str], named: str) -> None:
    lacking = [name for name in members if not hasattr(plugin, name)]
    if lacking:
        where = f"{protocol.__name__} in {protocol.__module__}"
        raise UsageError(f"{named} is no plug-in: it lacks {', '.join(lacking)}; see {where}")


def _protocol(plugin: type, group: str) -> type:
    """What a plug-in must be, by what it seems to be."""
    if group == UPSTREAMS:
        return MachineUpstream if hasattr(plugin, "connect") else LinkUpstream
    return Server if is_server(plugin) else MachineFront


def _members(protocol: type) -> Sequence[str]:
    """What a protocol asks for."""
    return [*protocol.__annotations__, *(name for name in vars(protocol) if not name.startswith("_"))]


def _is_of_class(protocol: type, member: str) -> bool:
    """Whether the class itself must have it: a method, or a class variable. The rest it may get when it is made."""
    return "ClassVar" in protocol.__annotations__.get(member, "") or callable(vars(protocol).get(member))


def _kind(group: str) -> str:
    return group.rpartition(".")[2].removesuffix("s")


def _named(group: str, point: EntryPoint) -> str:
    return f"the {_kind(group)} {point.name!r} of {_package(point)}"


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name} {point.dist.version}" if point.dist else point.value

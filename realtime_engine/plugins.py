"""Transports and upstreams, ours and a stranger's: how they are found, and what they must offer.

A plug-in is one class behind one entry point, in the group ``realtime_engine.transports`` or
``realtime_engine.upstreams``; the entry point's name is what the user types. The class is made from its options,
a dataclass from which the command line makes flags; both live in a module without heavy imports.

    [project.entry-points."realtime_engine.upstreams"]
    parrot = "parrot:Parrot"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias, TypeGuard, runtime_checkable

from realtime_engine.errors import UsageError

if TYPE_CHECKING:  # the flags of a plug-in are wanted long before a conversation is
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from realtime_engine.link import Link
    from realtime_engine.machine import Machine
    from realtime_engine.network import Network
    from realtime_engine.options import SessionOptions
    from realtime_engine.show import Show

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
    """An upstream without I/O; it runs on the real clock and on the virtual one."""

    Options: ClassVar[type]
    name: str

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        """A new machine for a new connection."""


class LinkUpstream(Protocol):
    """An upstream over a real connection."""

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


def is_machine(upstream: Upstream) -> TypeGuard[MachineUpstream]:
    """Whether an upstream can be simulated."""
    return hasattr(upstream, "connect")


def for_conversation(upstream: Upstream) -> Upstream:
    """The upstream as another conversation has it: one that plays its connections in their order has ``anew``."""
    anew: Callable[[], Upstream] | None = getattr(upstream, "anew", None)
    return upstream if anew is None else anew()


def find(group: str, name: str, *, points: Sequence[EntryPoint] | None = None) -> type[Any]:
    """Load the plug-in that a user named.

    Raises:
        UsageError: There is none of that name (the message lists those there are), or it cannot be loaded.
    """
    known = installed(group, points=points)
    if name not in known:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise UsageError(f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}")
    try:
        plugin = known[name].load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{name!r} cannot be loaded: {error}") from error
    if not isinstance(plugin, type):
        raise UsageError(f"{name!r} is not a plug-in: {known[name].value} is no class")
    return plugin


def installed(group: str, *, points: Sequence[EntryPoint] | None = None) -> Mapping[str, EntryPoint]:
    """The plug-ins of a group, by name."""
    return {point.name: point for point in (entry_points(group=group) if points is None else points)}

"""Transports and upstreams, ours and a stranger's: how they are found, and what they must offer.

A plug-in is one class behind one entry point, in the group ``realtime_engine.transports`` or
``realtime_engine.upstreams``; the entry point's name is what the user types. The class is made from its options,
a dataclass from which the command line makes flags; both live in a module without heavy imports.

    [project.entry-points."realtime_engine.upstreams"]
    parrot = "parrot:Parrot"
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol, TypeAlias

from realtime_engine.errors import UsageError
from realtime_engine.link import Link
from realtime_engine.machine import Machine

TRANSPORTS = "realtime_engine.transports"
UPSTREAMS = "realtime_engine.upstreams"


class MachineUpstream(Protocol):
    """An upstream without I/O; it runs on the real clock and on the virtual one."""

    Options: ClassVar[type]
    name: str

    def connect(self) -> Machine:
        """A new machine for a new connection."""


class LinkUpstream(Protocol):
    """An upstream over a real connection."""

    Options: ClassVar[type]
    name: str

    def open(self, clock: Callable[[], float]) -> AbstractAsyncContextManager[Link]:
        """Connect, for as long as the block lasts. ``clock`` gives the session's seconds.

        Raises:
            UpstreamError: It refused, or did not answer in time.
        """


Upstream: TypeAlias = MachineUpstream | LinkUpstream


def is_machine(upstream: Upstream) -> bool:
    """Whether an upstream can be simulated."""
    return hasattr(upstream, "connect")


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

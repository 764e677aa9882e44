"""What transports and upstreams must offer, ours and a stranger's.

Each is a plug-in: one class, made from its options, a dataclass from which the command line makes flags; both live in
a module without heavy imports. `realtime_engine.finding` finds it. Transports that hold many conversations are in
`realtime_engine.servers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, TypeAlias, TypeGuard, runtime_checkable

if TYPE_CHECKING:  # the flags of a plug-in are wanted long before a conversation is
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from realtime_engine.link import Link
    from realtime_engine.machine import Machine
    from realtime_engine.network import Network
    from realtime_engine.options import SessionOptions
    from realtime_engine.show import Show
    from realtime_engine.tongues import UpstreamDialect
    from realtime_engine.tools import Runner

    OpenLink: TypeAlias = Callable[[Callable[[], float]], AbstractAsyncContextManager[Link]]
    """Connects a peer for as long as the block lasts; it is given the session's clock, in seconds."""


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


class LinkFront(Protocol):
    """A front that lives in real time, as a sound card does; it holds one conversation, as a `MachineFront` does.

    It may have needs of its own: see `as_needed`.

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
    def uses_stdout(self) -> bool:
        """Whether standard output carries its sound, so that words must go elsewhere."""

    def connect(self, session: SessionOptions, show: Show) -> AbstractContextManager[OpenLink]:
        """How to reach the person, for one conversation, which ends before the block does.

        Args:
            session: What the session is made of.
            show: Where the conversation is shown.

        Raises:
            EngineError: At the beginning: it cannot begin. At the end: what went wrong.
        """


Front: TypeAlias = MachineFront | LinkFront


@runtime_checkable
class Particular(Protocol):
    """A front that needs the session to be so and not otherwise."""

    def needs(self, session: SessionOptions) -> SessionOptions:
        """The session as it must be, made from what was asked for."""


def as_needed(front: Front, session: SessionOptions) -> SessionOptions:
    """A session as a front needs it."""
    return front.needs(session) if isinstance(front, Particular) else session


def is_live(front: Front) -> TypeGuard[LinkFront]:
    """Whether a front lives in real time only."""
    return hasattr(front, "connect")


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


def host_of(upstream: Upstream) -> str | None:
    """At whose computer the model is, by an upstream's ``host``, for people who are told where their voice goes.

    None: it does not say.
    """
    host: str | None = getattr(upstream, "host", None)
    return host


def for_conversation(upstream: Upstream) -> Upstream:
    """The upstream as another conversation has it: one that plays its connections in their order has ``anew``."""
    anew: Callable[[], Upstream] | None = getattr(upstream, "anew", None)
    return upstream if anew is None else anew()

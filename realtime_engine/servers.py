"""Transports that hold many conversations at a time, beside those of `realtime_engine.plugins` that hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeGuard, runtime_checkable

if TYPE_CHECKING:  # as in `realtime_engine.plugins`
    from collections.abc import Callable, Sequence

    from trio import TaskStatus

    from realtime_engine.service import Service


class Server(Protocol):
    """A transport that holds many conversations at a time.

    Attributes:
        example: Its flags in a typical call, for the help.
    """

    Options: ClassVar[type]
    name: ClassVar[str]
    example: ClassVar[str]

    @property
    def local(self) -> bool:
        """Whether only this computer can reach it."""

    @property
    def access(self) -> str:
        """Who may come in, in half a sentence."""

    @property
    def secrets(self) -> Sequence[str]:
        """What no log may show."""

    async def serve(self, service: Service, *, task_status: TaskStatus[Sequence[str]]) -> None:
        """Serve until it is drained. ``started`` gives the addresses to announce, once somebody could connect.

        Raises:
            UsageError: It cannot begin: its port is taken, for instance.
        """

    def drain(self) -> None:
        """Let nobody else in, and ask all conversations to end; then `serve` ends."""


@runtime_checkable
class Supervisor(Protocol):
    """A `Server` that may look after other processes, which serve; each of them runs the command that this one runs."""

    @property
    def supervises(self) -> bool:
        """Whether it does, by its options."""

    def supervise(self, announce: Callable[[Sequence[str]], None]) -> int:
        """Serve until a signal comes, and give the exit status. ``announce`` is told the addresses.

        Raises:
            UsageError: It cannot begin.
        """


def is_server(transport: type[Any]) -> bool:
    """Whether a transport holds many conversations, and not one."""
    return hasattr(transport, "serve")


def is_supervisor(server: object) -> TypeGuard[Supervisor]:
    """Whether a server, with its options, serves by other processes."""
    return isinstance(server, Supervisor) and server.supervises

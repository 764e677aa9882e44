"""What a front and an upstream are to the engine when time is real: a `Link`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeAlias, runtime_checkable

from realtime_engine.inputs import Kind, Message

LARGEST: Final = 16 << 20
"""Bytes of a message, where nobody has said otherwise (design.md, section 6)."""

Take: TypeAlias = Callable[[Sequence[Message]], bool]
"""Takes a batch of messages; whether it wants the next at once."""


class Link(Protocol):
    """One peer of a conversation, over whatever carries it.

    ``write`` queues and never blocks; what is queued leaves with `flush`, and what that could not send, with the
    link's own writer task. So a reader of one side cannot be held up by it, and a cancelled task tears no frame.
    """

    @property
    def largest(self) -> int:
        """Bytes of the largest message that comes from it."""
        return LARGEST

    async def read(self) -> Sequence[Message]:
        """What has come, at least one message; empty when the peer has ended the connection.

        Only one task reads. The messages are valid until the next checkpoint, unless they are kept as ``bytes``.

        Raises:
            RemoteProtocolError: The peer broke the protocol.
        """

    def write(self, raw: bytes, kind: Kind) -> None:
        """Queue one message; it is not sent before `flush`."""

    def write_all(self, batch: Sequence[Message]) -> None:
        """Queue messages as they came."""
        for message in batch:
            self.write(message.raw, message.kind)

    def flush(self) -> None:
        """Send as much of the queue as can be sent without blocking, now or when all tasks have had their turn."""

    async def drain(self) -> None:
        """Wait until the queue is below its low-water mark."""

    @property
    def queued(self) -> int:
        """Bytes that are written and not yet sent."""

    @property
    def sent(self) -> int:
        """Bytes that have left since the connection began: a peer that reads makes it grow."""

    @property
    def closed(self) -> tuple[int, str]:
        """The close code and reason, once `read` has given nothing; ``(1006, "")`` if there was none."""

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued, then end the connection with a code and a reason. The caller bounds the time."""


@runtime_checkable
class CallingLink(Link, Protocol):
    """A link that calls rather than be asked, which saves waking a task for each message."""

    async def listen(self, take: Take) -> bool:
        """See `listen`; ``take`` may be called from another task, in the context of this one."""

    def stop_listening(self) -> None:
        """End `listen`, if somebody is in it: there may be more to come."""


async def listen(link: Link, take: Take) -> bool:
    """Have ``take`` called with each batch, as `Link.read` gives it, until it wants no more or there is no more.

    Returns:
        Whether there may be more to come.

    Raises:
        RemoteProtocolError: The peer broke the protocol.
    """
    call: Callable[[Take], Awaitable[bool]] | None = getattr(link, "listen", None)
    if call is not None:  # a `CallingLink`
        return await call(take)
    while batch := await link.read():
        if not take(batch):
            return True
    return False

"""Listening to one side of a conversation, until it has no more to say or nobody wants to hear it."""

from collections.abc import Callable
from typing import TypeAlias

import trio

from realtime_engine.link import Link, Take, listen

End: TypeAlias = Callable[[], None]


class Listening:
    """May be stopped by anybody, at any time, and is not begun again then.

    A cancel scope would do for every link, but a conversation can be spared it for those that can be told to stop.

    Attributes:
        stopped: It was.
    """

    __slots__ = ("_end", "stopped")

    def __init__(self) -> None:
        self._end: End | None = None
        self.stopped = False

    def stop(self) -> None:
        """Hear no more; whoever hears it goes on."""
        self.stopped = True
        if self._end is not None:
            self._end()

    async def hear(self, link: Link, take: Take) -> bool:
        """See `realtime_engine.link.listen`; where it is stopped there is nothing more to come.

        Raises:
            RemoteProtocolError: The peer broke the protocol.
        """
        more = False
        self._end = getattr(link, "stop_listening", None)
        if self._end is not None:  # a `CallingLink`
            more = await listen(link, take)
        else:
            with trio.CancelScope() as scope:
                self._end = scope.cancel
                more = await listen(link, take)
        return more and not self.stopped

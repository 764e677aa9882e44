"""What a process says in its log, one line an event; every line of a conversation names it.

No audio, no words of a conversation and no secret is ever said: what is logged is numbers, names of the engine's own,
addresses, and reasons. Of a fault its kind and its place are told, not its message, which may quote anything.
Where the lines go is for whoever sets structlog up (`cli.logs`).
"""

from typing import Self, TypeAlias

import structlog

from realtime_engine.driving import Run
from realtime_engine.errors import first, place
from realtime_engine.watch import FAILED, Watch

Log: TypeAlias = structlog.typing.FilteringBoundLogger


def log() -> Log:
    """The log; what is bound in this context stands on every line."""
    logger: Log = structlog.get_logger("engine")
    return logger


def bound_log() -> Log:
    """The same as structlog is set up now: what says much of the same keeps it, for to make it takes as long again."""
    return log().bind()


class Journal:
    """The log of one conversation, which is named on all lines of the block, and of what is started in it."""

    def __init__(self, log: Log, session: str, watch: Watch, **facts: str) -> None:
        """Begin it.

        Args:
            log: Where it is said.
            session: The conversation's id, of the engine's own making.
            watch: What it has used is taken from here.
            facts: What its first line says: ``front``, ``mode``, ``upstream``, ``address``.
        """
        self._log = log
        self._session = session
        self._watch = watch
        self._facts = facts

    def __enter__(self) -> Self:
        structlog.contextvars.bind_contextvars(session=self._session)
        self._log.info("conversation began", **self._facts)
        return self

    def __exit__(self, *_: object) -> None:
        structlog.contextvars.unbind_contextvars("session")

    def note(self, text: str) -> None:
        """What the session notes."""
        self._log.info(text)

    def ended(self, run: Run) -> None:
        """The conversation is over."""
        say = self._log.warning if run.code == FAILED else self._log.info
        say(
            "conversation ended",
            code=run.code,
            reason=run.reason,
            seconds=round(run.at, 3),
            input_tokens=self._watch.input_tokens,
            output_tokens=self._watch.output_tokens,
        )

    def failed(self, error: BaseException) -> None:
        """It broke off by a fault of the engine's own."""
        fault("conversation failed", error)


def fault(what: str, error: BaseException) -> None:
    """A fault of the engine's own, at an edge where it ends."""
    error = first(error)
    log().error(what, error=type(error).__name__, where=place(error))

"""The errors of the engine, split by who must act.

    EngineError
    ├── UsageError             the person at the command line: a wrong option, a missing file
    │   └── RecordingError     a recording that cannot be read: which line, and what still can
    ├── RemoteProtocolError    a peer broke the protocol: its conversation ends, the engine goes on
    ├── UpstreamError          the model's side failed: refused, lost, or silent
    └── Stalled                a simulated conversation in which nobody will ever move again

They are caught in two places: the edge of one conversation, and the command line, which turns them into
one line and an exit status (`EngineError.exit_status`).
"""

from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, overload

if TYPE_CHECKING:  # the command line needs its errors before it needs anything else
    from realtime_engine.inputs import Side

ErrorT = TypeVar("ErrorT", bound=BaseException)


class EngineError(Exception):
    """The base of all errors that the engine raises on purpose."""

    exit_status: ClassVar[int] = 3


class UsageError(EngineError):
    """What the user asked for cannot be done; the message names the thing and the mend."""

    exit_status = 2


class RecordingError(UsageError):
    """A recording cannot be read.

    Attributes:
        line: The first line of ``events.jsonl`` that cannot be used, counted from 1; None: not about a line.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class RemoteProtocolError(EngineError):
    """A peer broke the protocol.

    Attributes:
        side: The peer at fault.
        close_code: The WebSocket code to close with (RFC 6455, section 7.4.1).
    """

    def __init__(self, message: str, *, side: "Side", close_code: int = 1002) -> None:
        super().__init__(f"{side.value}: {message}")
        self.side = side
        self.close_code = close_code


_MAY_PASS = (408, 425, 429)
"""HTTP statuses that say that something took too long, was too early, or was too much."""


class UpstreamError(EngineError):
    """The model's side refused the conversation, was lost, or never answered.

    Attributes:
        status: The HTTP status with which it refused; None: it did not come to that.
        final: Whether it would refuse again whatever the network does: a key, a name, a certificate.
    """

    def __init__(self, message: str, *, status: int | None = None, final: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.final = final or (status is not None and 400 <= status < 500 and status not in _MAY_PASS)


class Stalled(EngineError):  # noqa: N818 - it names a state, as trio's own Cancelled does
    """A simulation in which time cannot move on; the message says who waits for what."""


_FRAMES: Final = 8  # of a fault, the innermost


@overload
def first(error: BaseExceptionGroup[ErrorT]) -> ErrorT: ...
@overload
def first(error: BaseException) -> BaseException: ...
def first(error: BaseException) -> BaseException:
    """The error itself, or the first of a group, as nurseries raise them: it tells what went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def place(error: BaseException) -> str:
    """The innermost frames of a fault, outermost first: modules and lines, and nothing that was in them."""
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(frames[-_FRAMES:])

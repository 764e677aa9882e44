"""What both drivers do alike: step a session, keep the record, do a machine's work."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, ParamSpec, TypeAlias

from realtime_engine.commands import Step
from realtime_engine.inputs import Input, Message, Side
from realtime_engine.machine import Done, Work
from realtime_engine.session import Session

REPLACED: Final = "another connection takes its place"
"""What an upstream is told whose connection is made anew."""

P = ParamSpec("P")
Record: TypeAlias = Callable[[Step], None]
"""Takes each step, in order; it copies what it keeps, and never waits."""

Passed: TypeAlias = Callable[[float, Sequence[Message]], None]
"""Takes a batch of one side that goes on as it came (`realtime_engine.session.PASSED_ON`), in place of a step each."""


class Run(NamedTuple):
    """How a conversation ended, and when, on the session's clock."""

    at: float
    code: int
    reason: str


def ignore(what: object) -> None:
    """Keep no record, log no note."""


def both(one: Callable[P, None], other: Callable[P, None]) -> Callable[P, None]:
    """Tell two of each step, or of what is passed on."""

    def tell(*args: P.args, **more: P.kwargs) -> None:
        one(*args, **more)
        other(*args, **more)

    return tell


def steps(session: Session, now: float, given: Input | None, record: Record) -> Iterator[Step]:
    """All that happens at ``now``: the timers that are due, then the input, if there is one.

    Each step is recorded before it is given; the caller carries out its commands. To a session that has hung up
    nothing happens any more, and what a timer has made too late does not happen either.
    """
    for at, commands in session.advance(now):
        step = Step(at, None, commands)
        record(step)
        yield step
    if given is not None and not session.over and not _too_late(session, given):
        step = Step(now, given, session.step(now, given))
        record(step)
        yield step


def _too_late(session: Session, given: Input) -> bool:
    """Whether a timer has just given up the connection over which this came."""
    return session.deaf and isinstance(given, Message) and given.side is Side.UPSTREAM


def do(work: Work) -> Done:
    """Do a machine's work here and now."""
    try:
        return Done(work.number, result=work.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the machine that asked decides
        return Done(work.number, error=error)

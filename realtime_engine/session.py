"""One conversation: inputs go in with their times, commands come out. No clock, no socket, no Trio.

`Session` holds what both manners share: who is there, how long it may last, how it ends. What is done with the
messages is the business of `realtime_engine.managed` and `realtime_engine.transparent`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol, assert_never, cast

import msgspec

from realtime_engine.audio import microseconds, whole_microseconds_after
from realtime_engine.commands import FORWARD, CancelTool, Command, Connect, HangUp
from realtime_engine.conversation import Entry
from realtime_engine.events import EngineUpstream, Error
from realtime_engine.inputs import Closed, Input, Message, Opened, Side, Stop, ToolResult
from realtime_engine.interpreter import Interpreter, TranslatingOutbox
from realtime_engine.limits import Meter
from realtime_engine.managed import Managed
from realtime_engine.objects import text
from realtime_engine.options import SessionOptions
from realtime_engine.outbox import Outbox, Overfull, Upstream
from realtime_engine.reconnection import RETRIED, Attempt
from realtime_engine.responses import EXPIRED
from realtime_engine.transparent import Transparent

NORMAL: Final = 1000
LOST: Final = 1006
POLICY: Final = 1008
FAILED: Final = 1011
RESTART: Final = 1012
TRY_LATER: Final = 1013
"""Close codes (RFC 6455, section 7.4.1; 1012 and 1013 from the IANA registry)."""

LAST_WORDS: Final = 1.0
"""Seconds before the close of a server in which an ``error`` of its own says why."""

PASSED_ON: Final = (FORWARD,)
"""What is done with nearly every frame of a transparent session."""

Due = tuple[float, Sequence[Command]]


class Manner(Protocol):
    """How a kind of front is served.

    Attributes:
        complaint: The server's last word, if that was an error, and when it said so.
    """

    complaint: tuple[float, Error] | None

    @property
    def deadline(self) -> float:
        """When `advance` has something to do, or ``inf``."""

    @property
    def open_calls(self) -> Sequence[str]:
        """The calls that the engine runs now."""

    def opened(self) -> None:
        """The front is there."""

    def upstream_opened(self, now: float) -> None:
        """The upstream is there: it gets the settings, and what has waited."""

    def advance(self, now: float) -> None:
        """Do what is due."""

    def front_said(self, now: float, message: Message) -> None:
        """A message of the front."""

    def upstream_said(self, now: float, message: Message) -> None:
        """A message of the upstream."""

    def tool_ended(self, now: float, result: ToolResult) -> None:
        """A tool has its result."""

    def front_left(self) -> None:
        """The front is gone: what it still had to say goes upstream."""

    def upstream_left(self, now: float) -> None:
        """The upstream is gone: what it has said goes to the front."""

    def idle(self, now: float) -> bool:
        """Whether nothing is under way: no response, no call, no speech, nothing unheard."""

    def silent(self, now: float) -> bool:
        """Whether nothing that came from the model is unheard."""


@dataclass(slots=True)
class _Ending:
    """The conversation will end: as soon as it is quiet, and at ``latest`` in any case."""

    code: int
    reason: str
    latest: float
    speech_only: bool  # whether only unheard speech is waited for


class Session:
    """One conversation between a front and an upstream.

    Before each `step` a driver calls `advance` with the same time, and it calls `advance` when the `deadline` has
    come. Waking late gives the same commands: each timer acts at its own time. Nothing that a peer sends makes a
    session raise. After `HangUp` it says nothing more.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.options = options
        self._now = 0.0
        foreign = options.dialect != "ga" or options.upstream_dialect != "ga"
        interpreted = TranslatingOutbox(options) if foreign else None
        self._out = interpreted or Outbox(options.limits)
        self._meter = Meter(options.limits)
        manner = Managed if options.mode == "managed" else Transparent
        self._manner: Manner = manner(options, self._out, self._meter)
        self._front_said, self._upstream_said = self._manner.front_said, self._manner.upstream_said
        if interpreted is not None:
            interpreter = Interpreter(
                options, interpreted, front_said=self._front_said, upstream_said=self._upstream_said
            )
            self._front_said, self._upstream_said = interpreter.front_said, interpreter.upstream_said
        self._managed = self._manner if isinstance(self._manner, Managed) else None
        relays = isinstance(self._manner, Transparent) and interpreted is None
        self._transparent = cast("Transparent", self._manner) if relays else None
        self._nothing_before = -inf  # for a driver that asks for each frame whether something is due
        self._connection = 0
        self._ending: _Ending | None = None
        self._over = False

    @property
    def conversation(self) -> Sequence[Entry]:
        """The items of the conversation so far; of a transparent one none are kept."""
        return tuple(self._managed.conversation) if self._managed is not None else ()

    @property
    def over(self) -> bool:
        """Whether the session has hung up."""
        return self._over

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: no response, no call, no speech, nothing unheard."""
        return self._manner.idle(self._now)

    @property
    def deaf(self) -> bool:
        """Whether the upstream is lost, or given up, and will be there again: till then nothing of it is heard."""
        return self._out.upstream is Upstream.LOST

    @property
    def deadline(self) -> float:
        """When the next timer is due, or ``inf``."""
        if self._over:
            return inf
        deadline = min(self._manner.deadline, self._meter.deadline)
        return deadline if self._ending is None else min(deadline, self._ending.latest)

    def due(self, now: float) -> bool:
        """Whether the `deadline` has come."""
        if now < self._nothing_before:
            return False
        self._nothing_before = self.deadline
        return self._nothing_before <= now

    def advance(self, now: float) -> Sequence[Due]:
        """Fire the timers that are due by ``now``, in order; each with its own time."""
        now = microseconds(now)
        self._nothing_before = -inf
        fired: list[Due] = []
        while (due := self.deadline) <= now:
            at = self._now = max(whole_microseconds_after(due), self._now)
            try:
                self._manner.advance(at)
                self._keep_connected(at)
            except Overfull as error:
                self._hang_up(TRY_LATER, str(error))
            self._check(at)
            commands = self._out.take()
            if commands:
                fired.append((at, commands))
        return fired

    def passes(self, now: float, batch: Sequence[Message]) -> int:
        """How many of the first of one side's messages are steps that give `PASSED_ON`: then these are taken.

        It is what `step` does with each of them, without a call for each. ``now`` is in whole microseconds.
        """
        relay = self._transparent
        if relay is None or self._ending is not None or self._over:
            return 0
        self._now = now
        return relay.passes(now, batch)

    def step(self, now: float, given: Input) -> Sequence[Command]:
        """Take one input."""
        if self._over:
            return ()
        now = microseconds(now)
        if isinstance(given, Message) and self.passes(now, (given,)):
            return PASSED_ON
        self._now = now
        self._nothing_before = -inf
        try:
            if isinstance(given, Message):
                self._said(now, given)
            else:
                self._happened(now, given)
        except Overfull as error:
            self._hang_up(TRY_LATER, str(error))
        if self._ending is not None or self._meter.spent:
            self._check(now)
        return self._out.take()

    def _said(self, now: float, message: Message) -> None:
        """A client's text that is no event is refused by the policy, before anybody reads it."""
        if message.side is Side.FRONT:
            self._meter.heard_from_front(now)
            self._front_said(now, message)
        elif self._out.upstream is not Upstream.LOST and self._out.upstream is not Upstream.GONE:
            try:
                self._upstream_said(now, message)
            except msgspec.DecodeError as error:
                self._part_for_good(now, FAILED, f"the upstream has said what is no event: {error}", told=False)

    def _happened(self, now: float, given: Opened | Closed | ToolResult | Stop) -> None:
        match given:
            case Opened(side=side):
                self._front_opened(now) if side is Side.FRONT else self._upstream_opened(now)
            case Closed(side=side):
                self._front_closed(given) if side is Side.FRONT else self._upstream_closed(now, given)
            case ToolResult():
                self._manner.tool_ended(now, given)
            case Stop():
                latest = microseconds(now + given.grace)
                self._ending = _Ending(given.code, given.reason, latest, speech_only=False)
            case _ as never:
                assert_never(never)

    def _front_opened(self, now: float) -> None:
        self._meter.started(now)
        self._manner.opened()
        self._connect()

    def _connect(self) -> None:
        self._connection += 1
        self._out.do(Connect(self._connection))

    def _front_closed(self, closed: Closed) -> None:
        self._manner.front_left()
        if closed.code == TRY_LATER:  # the driver gave it up
            self._hang_up(TRY_LATER, closed.reason)
        else:
            self._hang_up(NORMAL, "the front has left")

    def _upstream_opened(self, now: float) -> None:
        self._out.upstream = Upstream.OPEN
        self._manner.upstream_opened(now)

    def _upstream_closed(self, now: float, closed: Closed) -> None:
        """Connect again where that can be done, or part for good.

        The front is told of a mishap once: by the server, if its last word was an ``error``, or else by the engine.
        """
        given_up = self._out.upstream is Upstream.GONE
        if given_up or closed.connection != self._connection or self._comes_back(now, closed):
            return
        mishap = self._managed is not None and self._managed.reconnection.told and closed.code in RETRIED
        told = mishap or self._complained(now)
        code, reason = closed.code, closed.reason or "the upstream has ended the conversation"
        if code != NORMAL:
            code, reason = TRY_LATER if code == TRY_LATER else FAILED, self._failure(closed)
        self._part_for_good(now, code, reason, told=told or code == NORMAL)
        if code == TRY_LATER:  # the driver gave it up
            self._hang_up(code, reason)

    def _part_for_good(self, now: float, code: int, reason: str, *, told: bool) -> None:
        """The front hears the answer to its end; then it is told that there will be no more."""
        self._out.upstream = Upstream.GONE
        self._manner.upstream_left(now)
        if not told:
            self._out.to_front(self._out.error("upstream_closed", reason, kind="server_error"))
        if self._ending is None:
            self._ending = _Ending(code, reason, inf, speech_only=True)

    def _failure(self, closed: Closed) -> str:
        """How a connection has failed; of one that was never made a driver says it in a whole sentence.

        A code is told if the server has sent one.
        """
        if closed.reason and self._out.upstream is not Upstream.OPEN:
            return closed.reason
        said = f"the upstream has failed: {closed.reason or 'the connection is lost'}"
        return said if closed.reason and closed.code == LOST else f"{said} ({closed.code})"

    def _complained(self, now: float) -> bool:
        """Whether the server itself has said why it goes: an error that answers nothing that it was told."""
        complaint = self._manner.complaint
        return complaint is not None and not text(complaint[1].error.event_id) and now - complaint[0] <= LAST_WORDS

    # --- a connection after the first -----------------------------------------------------------------------

    def _comes_back(self, now: float, closed: Closed) -> bool:
        """See whether a connection that is lost will be made again."""
        managed = self._managed
        if managed is None or self._ending is not None:
            return False
        complained = self._complained(now)
        expired = complained and managed.complaint is not None and managed.complaint[1].error.code == EXPIRED
        attempt = managed.reconnection.lost(now, closed.code, expired=expired)
        if attempt is None:
            return False
        reason = "the time of the model's session is over" if expired else f"the model is lost ({closed.code})"
        if closed.reason and not expired:
            reason = f"{reason}: {closed.reason}"
        if not (complained or managed.reconnection.told):
            self._out.to_front(self._out.error("upstream_closed", reason, kind="server_error"))
        managed.reconnection.told = True
        self._part(now, managed, attempt, reason)
        if managed.reconnection.attempt_due(now):
            self._connect()
        return True

    def _keep_connected(self, now: float) -> None:
        """Connect again when it is time; and make an old connection anew when it is quiet."""
        managed = self._managed
        if managed is None:
            return
        if managed.reconnection.attempt_due(now):
            self._connect()
        elif managed.reconnection.renewal_due(now):
            if self._ending is None and managed.quiet(now):
                attempt = managed.reconnection.renew()
                self._part(now, managed, attempt, "the connection to the model is made anew, before its time is over")
                self._connect()
            else:
                managed.reconnection.renew_later(now)

    def _part(self, now: float, managed: Managed, attempt: Attempt, reason: str) -> None:
        """The connection is gone, or given up; the front is told when the next is made."""
        was_open = self._out.upstream is Upstream.OPEN
        self._out.upstream = Upstream.LOST
        if was_open:
            managed.upstream_lost(now)
        self._out.note(f"reconnecting, attempt {attempt.number}: {reason}")
        event = EngineUpstream(
            event_id=self._out.invent_id(),
            state="reconnecting",
            attempt=attempt.number,
            retry_in=attempt.delay,
            reason=reason,
        )
        self._out.to_front(event)

    # --- the end --------------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        """End the conversation if it is time."""
        ending = self._ending
        if ending is not None:
            quiet = self._manner.silent(now) if ending.speech_only else self._manner.idle(now)
            if quiet or now >= ending.latest:
                self._hang_up(ending.code, ending.reason)
        exceeded = self._meter.exceeded(now)
        if exceeded is not None and not self._over:
            self._out.to_front(self._out.error("limit_reached", exceeded, kind="server_error"))
            self._hang_up(POLICY, exceeded)

    def _hang_up(self, code: int, reason: str) -> None:
        for call_id in self._manner.open_calls:
            self._out.do(CancelTool(call_id))
        self._out.do(HangUp(code, reason))
        self._over = True

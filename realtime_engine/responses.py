"""The responses of the model, one record each, and the wishes for more that must wait.

Only one response at a time may write to the conversation, so a ``response.create`` waits for the active one
instead of colliding with it; out-of-band responses run beside it. Several tool calls of one response lead to
one ``response.create``, when the last result is there.

Source: protocol.md, sections 7 (function call) and 8.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf
from typing import Final

import msgspec
from msgspec import Raw

from realtime_engine.events import Error, ResponseCreate, ResponseCreated, ResponseDone
from realtime_engine.objects import Response, text

ANSWER_SECONDS: Final = 10.0
"""How long a ``response.create`` waits for its ``response.created``; so long the clients wait too (protocol.md, 13)."""

COLLISION: Final = "conversation_already_has_active_response"
EXPIRED: Final = "session_expired"
NOT_ACTIVE: Final = "response_cancel_not_active"
_WAITING = 64  # response.create that may wait; a client that wants more is not listening
_REMEMBERED = 256  # responses, the oldest forgotten first; of those under way beside the conversation as many


@dataclass(slots=True)
class ResponseRecord:
    """What is known of one response."""

    response_id: str
    out_of_band: bool
    status: str = "in_progress"
    open_calls: set[str] = field(default_factory=set)  # run by the engine, without result
    answered_calls: int = 0
    foreign_calls: int = 0  # for the front to answer

    def take_answer(self) -> bool:
        """Whether the model should go on now: all calls were the engine's, and have their results. True once."""
        complete = self.status == "completed" and not self.open_calls and not self.foreign_calls
        wanted = complete and self.answered_calls > 0
        if wanted:
            self.answered_calls = 0
        return wanted


class Responses:
    """All responses of one upstream connection.

    Attributes:
        active: The response that writes to the conversation; None: there is none.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self._records: dict[str, ResponseRecord] = {}
        self._out_of_band: dict[str, None] = {}  # those under way
        self._waiting: deque[bytes] = deque()
        self._again: deque[bytes] = deque()  # asked of a connection that is lost; these go first
        self._unmet: deque[bytes] = deque(maxlen=_WAITING)  # sent, and neither begun nor refused, however long ago
        self._met: bytes | None = None  # the one that the active response answers, if it is one
        self._asked = inf  # until when the response to the last create is waited for; inf: none is
        self._unconfirmed: bytes | None = None  # the last create; it may still turn out to have collided
        self._expected = inf  # until when the server's own answer to a turn is waited for; inf: none is
        self._calls: dict[str, ResponseRecord] = {}  # open call -> its response, however long ago that was
        self._our_calls: dict[str, None] = {}
        self._answered: dict[str, None] = {}  # of them those that have had their result

    @property
    def under_way(self) -> bool:
        """Whether a response is active, asked for, or expected, or a call is open."""
        awaited = self.deadline < inf
        return bool(self.active or self._out_of_band or self._waiting or self._again or awaited or self._calls)

    @property
    def asked(self) -> bool:
        """Whether a response that was asked for has neither begun nor been refused."""
        return self._asked < inf

    @property
    def running(self) -> list[str]:
        """The ids of all responses under way, the conversation's first."""
        return ([self.active] if self.active else []) + list(self._out_of_band)

    @property
    def open_calls(self) -> list[str]:
        """The calls that the engine runs now."""
        return list(self._calls)

    @property
    def our_calls(self) -> Collection[str]:
        """The calls that are the engine's to answer: those announced, those that run, and those answered."""
        return self._our_calls.keys()

    def get(self, response_id: str) -> ResponseRecord | None:
        """What is known of a response."""
        return self._records.get(response_id)

    def expect(self, now: float) -> None:
        """A spoken turn has ended, and the server will answer it."""
        self._expected = now + ANSWER_SECONDS

    def ask(self, raw: bytes) -> bool:
        """Take a ``response.create``, with an ``event_id``, to be sent when it may be.

        Returns:
            Whether there was room for it.
        """
        if len(self._waiting) >= _WAITING:
            return False
        self._waiting.append(raw)
        return True

    @property
    def deadline(self) -> float:
        """When a response has been waited for in vain (see `give_up`), or ``inf``."""
        return min(self._asked, self._expected)

    def give_up(self, now: float) -> None:
        """Wait no longer for a response that should have begun by now."""
        if now >= self._asked:
            self._asked = inf
        if now >= self._expected:
            self._expected = inf

    def next_create(self, now: float) -> bytes | None:
        """The ``response.create`` that may be sent now."""
        self.give_up(now)
        waiting = self._again or self._waiting
        if not waiting or self.active or self._asked < inf:
            return None
        raw = waiting.popleft()
        self._asked, self._unconfirmed = now + ANSWER_SECONDS, raw
        self._unmet.append(raw)
        return raw

    def created(self, event: ResponseCreated) -> None:
        """A response has begun."""
        response = event.response
        out_of_band = response.conversation_id is None
        self._remember(ResponseRecord(response.id, out_of_band))
        if out_of_band:
            self._out_of_band[response.id] = None
            _forget_oldest(self._out_of_band)
        else:
            self.active, self._asked, self._expected = response.id, inf, inf
            self._met = self._unmet.popleft() if self._unmet else None

    def done(self, event: ResponseDone) -> ResponseRecord:
        """A response has ended."""
        response = event.response
        record = self._records.get(response.id) or self._unannounced(response)
        record.status = response.status or "completed"
        self._out_of_band.pop(response.id, None)
        if not record.out_of_band and self.active in (None, response.id):
            self._forget_asking()
        return record

    def collided(self, event: Error) -> bool:
        """An error came. True if it says that our create collided; the create then waits again.

        It names the create; a server that names none means the last one, if nothing has answered that. Any other
        error that may have come in a response's place ends the wait for it; that the session has expired is not one.
        """
        named = text(event.error.event_id)
        if event.error.code == EXPIRED:
            return False
        ours = named == self._unconfirmed_id if named else self._asked < inf
        if ours and event.error.code == COLLISION and self._unconfirmed is not None:
            self._waiting.appendleft(self._unconfirmed)
            self._meet(self._unconfirmed)
            self._unconfirmed, self._asked = None, inf
            return True
        for create in [create for create in self._unmet if not named or _id_of(create) == named]:
            self._meet(create)
        if ours or not named:
            self._asked = self._expected = inf
        return False

    def _meet(self, create: bytes) -> None:
        """This create has had its answer, and not by the active response."""
        if create in self._unmet:
            self._unmet.remove(create)
        if create == self._met:
            self._met = None

    @property
    def _unconfirmed_id(self) -> str:
        """The event id of the last create, ``""`` if there is none; every create has one."""
        return _id_of(self._unconfirmed) if self._unconfirmed else ""

    def withdraw(self) -> None:
        """The user wants no answer to what was asked so far: it is not asked again if the connection is lost."""
        self._again.clear()
        self._unmet.clear()

    def claim(self, call_id: str) -> None:
        """A call is announced that the engine will run: nobody else may answer it."""
        self._our_calls[call_id] = None
        _forget_oldest(self._our_calls)

    def call(self, response_id: str, call_id: str, *, ours: bool) -> bool:
        """A response calls a function, which is ours to run, or the front's. True if it is to be run now."""
        record = self._records.get(response_id) or self._remember(ResponseRecord(response_id, out_of_band=False))
        if not ours:
            record.foreign_calls += 1
            return False
        self.claim(call_id)
        if call_id in self._calls or call_id in self._answered:  # a server may repeat itself
            return False
        record.open_calls.add(call_id)
        self._calls[call_id] = record
        return True

    def answered(self, call_id: str) -> ResponseRecord | None:
        """A call has its result. None: nobody waits for it."""
        record = self._calls.pop(call_id, None)
        if record is not None:
            self._answered[call_id] = None
            _forget_oldest(self._answered)
            record.open_calls.discard(call_id)
            record.answered_calls += 1
        return record

    def vanished(self) -> None:
        """The server knows nothing of the active response: its end was left out."""
        self._forget_asking()

    def connection_lost(self) -> None:
        """The upstream is gone: nothing of what was under way will end. Calls that run are still known."""
        self._forget_asking()
        self._out_of_band.clear()
        self._waiting.clear()
        self._again.clear()

    def suspend(self, *, again: bool, unanswered: bool, create: bytes) -> list[ResponseRecord]:
        """The connection is lost and will be made again: what was asked for in vain is asked for again.

        Args:
            again: Whether the active response is to be asked for again.
            unanswered: Whether there is a turn that the server was going to answer by itself.
            create: A plain ``response.create``, if the server's own answer must be asked for.

        Returns:
            The responses that were under way. If their calls run, the model goes on when it has the results.
        """
        lost = [self._records[each] for each in self.running if each in self._records]
        for record in lost:
            record.status = "completed" if record.open_calls or record.answered_calls else "cancelled"
        if self.active and again:
            self._again.append(self._met or create)
        self._again += self._unmet
        if unanswered and not self._again:
            self._again.append(create)
        self._forget_asking()
        self._out_of_band.clear()
        return lost

    def came_of(self, response_id: str) -> bool:
        """Whether a response has called a function: the engine runs it, or the front answers it."""
        record = self._records.get(response_id)
        return record is not None and bool(record.open_calls or record.answered_calls or record.foreign_calls)

    def _forget_asking(self) -> None:
        """Nothing is active, asked for, or expected."""
        self.active, self._asked, self._unconfirmed, self._expected = None, inf, None, inf
        self._unmet.clear()
        self._met = None

    def _remember(self, record: ResponseRecord) -> ResponseRecord:
        self._records[record.response_id] = record
        _forget_oldest(self._records)
        return record

    def _unannounced(self, response: Response) -> ResponseRecord:
        """A response whose beginning was not seen: it ends all the same."""
        return ResponseRecord(response.id, out_of_band=response.conversation_id is None)


def _forget_oldest(known: dict[str, ResponseRecord] | dict[str, None]) -> None:
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]


class _Destination(msgspec.Struct):
    conversation: str | None = None


class _CreateId(msgspec.Struct):
    event_id: str | None = None


def _id_of(create: bytes) -> str:
    return text(msgspec.json.decode(create, type=_CreateId).event_id)


def is_out_of_band(event: ResponseCreate) -> bool:
    """Whether a ``response.create`` asks for a response beside the conversation."""
    if not isinstance(event.response, Raw):
        return False
    try:
        return msgspec.json.decode(event.response, type=_Destination).conversation == "none"
    except msgspec.ValidationError:
        return False

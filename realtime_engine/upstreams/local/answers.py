"""Which answers are under way: one in the conversation, and some beside it.

Source: protocol.md, section 8: only one response at a time may write to the default conversation.
"""

from collections.abc import Callable, Sequence
from typing import Final

from realtime_engine.events import RateLimitsUpdated
from realtime_engine.upstreams.local.items import Entry
from realtime_engine.upstreams.local.orders import Order
from realtime_engine.upstreams.local.problems import RequestError
from realtime_engine.upstreams.local.responses import Answer, Studio
from realtime_engine.upstreams.local.usage import rate_limit

LIMITS_SECONDS: Final = 0.035  # from response.done to rate_limits.updated: 30 to 45 ms in the recorded sessions
MOST_BESIDE: Final = 16


class Answers:
    """The answers under way.

    Args:
        studio: What they share.
        ended: Called when the one in the conversation has ended.
    """

    def __init__(self, studio: Studio, ended: Callable[[Answer, float], None]) -> None:
        self.active: Answer | None = None
        self._beside: dict[str, Answer] = {}
        self._studio = studio
        self._ended = ended

    def begin(self, at: float, order: Order, context: Sequence[Entry] | None = None) -> None:
        """Begin an answer to the items given, or else to the conversation.

        Raises:
            RequestError: There is one in the conversation already, or there are too many beside it.
        """
        if order.conversation_id is None:
            if len(self._beside) >= MOST_BESIDE:
                raise RequestError("rate_limit_exceeded", f"More than {MOST_BESIDE} responses at one time.")
        elif self.active is not None:
            raise RequestError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        answer = Answer(self._studio, order, context, self._over, at=at)
        if answer.beside:
            self._beside[answer.id] = answer
        else:
            self.active = answer

    def cancel(self, at: float, response_id: str | None) -> None:
        """Stop the answer named, or the one in the conversation.

        Raises:
            RequestError: There is none.
        """
        answer = self.active
        if response_id is not None and (answer is None or answer.id != response_id):
            answer = self._beside.get(response_id)
        if answer is None:
            raise RequestError("response_cancel_not_active", "Cancellation failed: no active response found")
        answer.cancel(at, "client_cancelled")

    def interrupt(self, at: float) -> None:
        """The user speaks: the answer in the conversation stops."""
        if self.active is not None:
            self.active.cancel(at, "turn_detected")

    def _over(self, answer: Answer, at: float) -> None:
        if answer.beside:
            del self._beside[answer.id]
        else:
            self.active = None
        if answer.status != "in_progress" and answer.reason != "turn_detected":
            limits = RateLimitsUpdated(rate_limits=(rate_limit(answer.meter.usage),))
            self._studio.desk.agenda.note(at + LIMITS_SECONDS, lambda _at: self._studio.desk.send(limits))
        if not answer.beside:
            self._ended(answer, at)

"""Who was not let in: each is counted, and said in the log, but no more often than somebody could read."""

from collections.abc import Callable, Mapping
from typing import Final

from realtime_engine.journal import log
from realtime_engine.metrics import Metrics, Refusal

QUIET: Final = 1.0
"""Seconds after a line about a reason in which there is no other; who makes no line is counted on the next."""

COUNTED: Final[Mapping[str, Refusal]] = {
    "draining": "draining",
    "server_full": "full",
    "address_full": "address_full",
    "token_required": "token",
    "wrong_token": "token",
    "too_many_attempts": "token",
    "origin_not_allowed": "origin",
    "host_not_allowed": "host",
    **dict.fromkeys(("bad_request", "head_too_large", "body_too_large", "too_slow", "no_room"), "handshake"),
    **dict.fromkeys(("unsupported_version", "invalid_model", "invalid_dialect", "call_id_not_found"), "handshake"),
}
"""Refusals, and what they are counted as."""


class Refusals:
    """Those of one server. ``clock`` gives seconds."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._said: dict[str, float] = {}  # reason -> when
        self._unsaid: dict[str, int] = {}

    def note(self, code: str, address: str) -> None:
        """Somebody was refused with this code; those that are no refusals of a person are passed over."""
        if code not in COUNTED:
            return
        self._metrics.refused(COUNTED[code])
        now = self._clock()
        if code in self._said and now < self._said[code] + QUIET:
            self._unsaid[code] = self._unsaid.get(code, 0) + 1
            return
        self._said[code] = now
        unsaid = self._unsaid.pop(code, 0)
        log().info("not let in", why=code, address=address, **({"others": unsaid} if unsaid else {}))

"""When a connection is made again."""

import pytest

from realtime_engine.options import Reconnect
from realtime_engine.reconnection import Reconnection, reconnect


@pytest.mark.parametrize(
    ("attempts", "delays"),
    [
        (1, (0.0,)),
        (3, (0.0, 0.5, 1.0)),
        (6, (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)),
        (8, (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)),
    ],
)
def test_each_attempt_waits_twice_as_long_as_the_one_before_and_never_very_long(
    attempts: int, delays: tuple[float, ...]
) -> None:
    assert reconnect(attempts, 100) == Reconnect(delays=delays, renew_after=100)
    assert reconnect(6, 55 * 60) == Reconnect()
    assert reconnect(0, 100) is None


def test_a_connection_that_never_was_is_not_made_again() -> None:
    assert Reconnection(Reconnect()).lost(0, 1006, expired=False) is None


@pytest.mark.parametrize(("code", "expired", "again"), [(1006, False, True), (1000, False, False), (1000, True, True)])
def test_it_is_the_close_code_that_says_whether_it_is_worth_trying(code: int, expired: bool, again: bool) -> None:
    connection = Reconnection(Reconnect())
    connection.opened(0)
    connection.greeted(0)

    assert (connection.lost(1, code, expired=expired) is not None) == again

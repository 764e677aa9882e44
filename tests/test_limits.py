"""What ends a conversation that has had enough."""

from math import inf

import pytest

from realtime_engine.limits import Meter
from realtime_engine.objects import Response, Usage
from realtime_engine.options import Limits


def started(**limits: float) -> Meter:
    meter = Meter(Limits(**limits))  # type: ignore[arg-type]  # each limit has its own kind of number
    meter.started(10.0)
    return meter


def used(tokens: int) -> Response:
    return Response(usage=Usage(total_tokens=tokens))


def test_a_conversation_without_limits_is_never_over() -> None:
    meter = started()

    assert meter.deadline == inf
    assert meter.exceeded(1e9) is None
    meter.responded(used(10**9))
    assert not meter.spent


def test_nothing_runs_before_the_front_is_there() -> None:
    meter = Meter(Limits(duration=60, idle=5))

    assert meter.deadline == inf
    assert meter.exceeded(1e9) is None


def test_a_conversation_lasts_no_longer_than_it_may() -> None:
    meter = started(duration=60)

    assert meter.deadline == 70
    meter.heard_from_front(65)
    assert meter.deadline == 70
    assert meter.exceeded(69.999999) is None
    assert meter.exceeded(70) == "the conversation has reached its limit of 60 s"


def test_silence_from_the_front_is_counted_from_its_last_message() -> None:
    meter = started(idle=5.5)
    assert meter.deadline == 15.5

    meter.heard_from_front(12)

    assert meter.deadline == 17.5
    assert meter.exceeded(17.499999) is None
    assert meter.exceeded(17.5) == "nothing has come from the front for 5.5 s"


def test_of_two_limits_of_time_the_nearer_counts() -> None:
    meter = started(duration=60, idle=5)

    assert meter.deadline == 15
    meter.heard_from_front(68)
    assert meter.deadline == 70
    assert meter.exceeded(75) == "the conversation has reached its limit of 60 s"


def test_tokens_of_all_responses_are_counted_together() -> None:
    meter = started(tokens=1000)
    meter.responded(used(400))
    assert (meter.spent, meter.exceeded(11)) == (False, None)

    meter.responded(used(601))

    assert meter.spent
    assert meter.tokens == 1001
    assert meter.exceeded(11) == "the conversation has used 1001 of its 1000 tokens"
    assert meter.deadline == inf  # it is over at once, and not at a time


@pytest.mark.parametrize("response", [Response(), Response(usage=None), Response(usage=Usage())])
def test_a_response_that_used_nothing_or_does_not_say_counts_nothing(response: Response) -> None:
    meter = started(tokens=1)

    meter.responded(response)

    assert meter.tokens == 0

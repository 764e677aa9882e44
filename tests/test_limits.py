"""What ends a conversation that has had enough."""

from math import inf

import msgspec
import pytest
from msgspec import UNSET

from realtime_engine.limits import Meter
from realtime_engine.objects import SessionConfig, TranscriptionUsage, Usage
from realtime_engine.options import Limits
from realtime_engine.prices import Price, Prices


def started(**limits: float) -> Meter:
    meter = Meter(Limits(**limits))  # type: ignore[arg-type]  # each limit has its own kind of number
    meter.started(10.0)
    return meter


def used(tokens: int) -> Usage:
    return Usage(total_tokens=tokens)


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
    assert meter.exceeded(11) is None

    meter.responded(used(601))

    assert meter.spent
    assert meter.tokens == 1001
    assert meter.exceeded(11) == "the conversation has used 1001 of its 1000 tokens"
    assert meter.deadline == inf  # it is over at once, and not at a time


def test_tokens_count_by_the_larger_of_two_figures_where_they_differ() -> None:
    meter = started()

    meter.responded(Usage(input_tokens=60, output_tokens=40))
    meter.responded(Usage(total_tokens=10, input_tokens=1))
    meter.transcribed(TranscriptionUsage(type="tokens", input_tokens=3, output_tokens=4))
    meter.transcribed(TranscriptionUsage(type="tokens", total_tokens=5, input_tokens=3))

    assert meter.tokens == 100 + 10 + 7 + 5


@pytest.mark.parametrize("usage", [None, Usage()])
def test_a_response_that_used_nothing_or_does_not_say_counts_nothing(usage: Usage | None) -> None:
    meter = started(tokens=1)

    meter.responded(usage)

    assert meter.tokens == 0


# --- money ----------------------------------------------------------------------------------------------------

PRICES = Prices(source="the list of today", models={"m": Price(text_out=1e6), "w": Price(text_out=5e5, minute=60)})


def session(model: str, transcription: str = "null") -> SessionConfig:
    audio = f'{{"input":{{"transcription":{transcription}}}}}'
    return msgspec.json.decode(f'{{"model":"{model}","audio":{audio}}}', type=SessionConfig)


def test_a_conversation_costs_no_more_than_it_may() -> None:
    meter = Meter(Limits(cost=2.5, prices=PRICES))
    meter.session(session("m-2026"))

    meter.responded(Usage(output_tokens=2, total_tokens=2))
    assert meter.exceeded(0) is None
    meter.responded(Usage(output_tokens=1, total_tokens=1))

    assert meter.exceeded(0) == "the conversation has cost 3.0000 of its 2.5 USD, by the prices of the list of today"


def test_transcripts_cost_too_and_use_tokens() -> None:
    meter = Meter(Limits(cost=10, tokens=4, prices=PRICES))
    meter.session(session("m", '{"model":"w"}'))
    meter.session(SessionConfig())

    meter.transcribed(TranscriptionUsage(type="duration", seconds=2))
    assert (meter.cost, meter.tokens, meter.spent) == (2.0, 0, None)
    meter.transcribed(TranscriptionUsage(type="tokens", total_tokens=4, output_tokens=4))
    meter.transcribed(UNSET)

    assert (meter.cost, meter.tokens) == (4.0, 4)
    assert meter.exceeded(0) == "the conversation has used 4 of its 4 tokens"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (
            Limits(cost=10, prices=PRICES),
            "no price is known of a minute of the model 'm', so what it costs cannot be limited",
        ),
        (Limits(prices=PRICES), None),
    ],
)
def test_a_transcriber_that_counts_time_needs_a_price_of_time(limits: Limits, reason: str | None) -> None:
    meter = Meter(limits)
    meter.session(session("m", '{"model":"m"}'))

    meter.transcribed(TranscriptionUsage(type="duration", seconds=2))

    assert (meter.spent, meter.cost) == (reason, 0.0)


def test_where_the_cost_is_limited_a_model_without_a_price_may_not_answer() -> None:
    for prices in (PRICES, None):
        meter = Meter(Limits(cost=10, prices=prices))

        meter.session(session("another"))

        assert meter.spent == "no price is known of the model 'another', so what it costs cannot be limited"
    unlimited = Meter(Limits(prices=PRICES))
    unlimited.session(session("another", '"odd"'))
    unlimited.responded(used(10))
    unlimited.transcribed(TranscriptionUsage(type="duration", seconds=2))
    assert (unlimited.spent, unlimited.cost, unlimited.tokens) == (None, 0.0, 10)

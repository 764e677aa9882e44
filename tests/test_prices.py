"""What tokens cost."""

import msgspec
import pytest

from realtime_engine.objects import CachedTokens, InputTokens, OutputTokens, TranscriptionUsage, Usage
from realtime_engine.prices import Price, Prices

SPOKEN = Price(text_in=4, audio_in=32, image_in=5, cached_text_in=1, text_out=16, audio_out=64)


def test_each_kind_of_token_has_its_price() -> None:
    heard = InputTokens(text_tokens=1000, audio_tokens=500, image_tokens=200)
    usage = Usage(input_token_details=heard, output_token_details=OutputTokens(text_tokens=100, audio_tokens=400))

    assert SPOKEN.of(usage) == pytest.approx((4000 + 16_000 + 1000 + 1600 + 25_600) / 1e6)


def test_what_was_cached_costs_less_where_the_table_says_so() -> None:
    cached = CachedTokens(text_tokens=600, audio_tokens=100)
    heard = InputTokens(text_tokens=1000, audio_tokens=500, cached_tokens=700, cached_tokens_details=cached)
    usage = Usage(input_token_details=heard, output_token_details=OutputTokens())

    assert SPOKEN.of(usage) == pytest.approx((400 * 4 + 600 * 1 + 500 * 32) / 1e6)


def test_what_is_not_told_in_detail_costs_as_much_as_it_can() -> None:
    assert SPOKEN.of(Usage(total_tokens=30, input_tokens=10, output_tokens=20)) == pytest.approx((320 + 1280) / 1e6)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(total_tokens=30), 30 * 64),
        (Usage(total_tokens=30, input_tokens=10), 10 * 32 + 20 * 64),
        (Usage(input_tokens=10, input_token_details=InputTokens()), 10 * 32),
        (Usage(input_tokens=10, input_token_details=InputTokens(text_tokens=4)), 4 * 4 + 6 * 32),
        (Usage(output_tokens=10, output_token_details=OutputTokens(text_tokens=4)), 4 * 16 + 6 * 64),
        (Usage(input_tokens=1, input_token_details=InputTokens(text_tokens=4)), 4 * 4),
    ],
)
def test_as_much_as_the_details_leave_out_costs_as_much_as_it_can(usage: Usage, cost: float) -> None:
    assert SPOKEN.of(usage) == pytest.approx(cost / 1e6)


def test_nothing_that_a_server_says_makes_a_conversation_cost_less_than_nothing() -> None:
    cached = InputTokens(text_tokens=1, cached_tokens_details=CachedTokens(text_tokens=1000))

    assert SPOKEN.of(Usage(input_token_details=cached)) == pytest.approx(1000 / 1e6)
    assert Price(minute=1).of_transcript(TranscriptionUsage(type="duration", seconds=-60)) == 0


def test_a_transcript_costs_as_much_as_it_can_where_it_is_not_told_in_detail() -> None:
    price = Price(text_in=2, audio_in=6, text_out=10)
    details = InputTokens(text_tokens=4)

    for usage, cost in (
        (TranscriptionUsage(type="tokens", total_tokens=15), 15 * 10),
        (TranscriptionUsage(type="tokens", input_tokens=10, input_token_details=details), 4 * 2 + 6 * 6),
        (TranscriptionUsage(type="tokens", input_tokens=10, input_token_details=None), 10 * 6),
    ):
        assert price.of_transcript(usage) == pytest.approx(cost / 1e6)


def test_a_transcript_costs_by_its_tokens_or_by_its_time() -> None:
    price = Price(text_in=2, audio_in=6, text_out=10, minute=0.006)
    tokens = TranscriptionUsage(type="tokens", total_tokens=15, input_tokens=10, output_tokens=5)
    told = msgspec.structs.replace(tokens, input_token_details=InputTokens(text_tokens=4, audio_tokens=6))

    assert price.of_transcript(TranscriptionUsage(type="duration", seconds=30)) == pytest.approx(0.003)
    assert price.of_transcript(tokens) == pytest.approx((60 + 50) / 1e6)
    assert price.of_transcript(told) == pytest.approx((8 + 36 + 50) / 1e6)


def test_a_name_stands_for_all_that_begin_with_it_and_have_none_of_their_own() -> None:
    dear, cheap = Price(text_in=4), Price(text_in=1)
    prices = Prices(source="here", models={"gpt-realtime": dear, "gpt-realtime-mini": cheap})

    assert prices.of("gpt-realtime-2025-08-28") is dear
    assert prices.of("gpt-realtime-mini-2025-10-06") is cheap
    assert prices.of("gpt-4") is None


def test_a_table_may_come_from_a_file_and_is_checked() -> None:
    table = {"source": "a page, of today", "models": {"m": {"text_in": 4, "audio_out": 64.0}}}

    assert msgspec.convert(table, Prices).models["m"] == Price(text_in=4, audio_out=64)
    for wrong in ({"text_in": -1}, {"text_inn": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**table, "models": {"m": wrong}}, Prices)

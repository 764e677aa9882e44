"""What Prometheus reads."""

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from realtime_engine.metrics import Metrics, Totals
from transports.ws.exposition import CONTENT_TYPE, render


def read(totals: Totals) -> dict[tuple[str, ...], float]:
    """Every sample: its name and the values of its labels, in alphabetical order."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(render(totals).decode())
        for sample in family.samples
    }


def test_what_was_counted_can_be_read_by_prometheus_own_parser() -> None:
    metrics = Metrics()
    metrics.began("managed")
    metrics.began("managed")
    metrics.ended("managed", 1008)
    metrics.refused("address_full")
    metrics.error("upstream", "rate_limit_exceeded")
    metrics.response("completed")
    metrics.kept.tokens["input audio"] = 12
    metrics.kept.messages["front in"] = 3
    samples = read(metrics.totals())

    assert samples["engine_sessions_active", "managed"] == 1
    assert samples["engine_sessions_started_total", "managed"] == 2
    assert samples["engine_sessions_ended_total", "1008"] == 1
    assert samples["engine_sessions_refused_total", "address_full"] == 1
    assert samples["engine_messages_total", "front", "in"] == 3
    assert samples["engine_errors_total", "rate_limit_exceeded", "upstream"] == 1
    assert samples["engine_responses_total", "completed"] == 1
    assert samples["engine_tokens_total", "audio", "input"] == 12
    assert CONTENT_TYPE.startswith("text/plain")


def test_buckets_are_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.004, 0.2, 99.0):
        metrics.kept.connect.observe(seconds)

    samples = read(metrics.totals())

    assert samples["engine_connect_seconds_bucket", "0.005"] == 1
    assert samples["engine_connect_seconds_bucket", "0.25"] == 2
    assert samples["engine_connect_seconds_bucket", "15.0"] == 2
    assert samples["engine_connect_seconds_bucket", "+Inf"] == samples["engine_connect_seconds_count",] == 3
    assert samples["engine_connect_seconds_sum",] == pytest.approx(99.204)


def test_what_has_not_happened_yet_is_there_as_zero_so_that_a_rate_can_be_taken() -> None:
    samples = read(Totals())

    assert samples["engine_sessions_started_total", "transparent"] == 0
    assert samples["engine_bytes_total", "out", "upstream"] == 0


def test_the_librarys_registry_for_the_whole_process_is_left_alone() -> None:
    before = set(REGISTRY._collector_to_names)

    render(Totals())

    assert set(REGISTRY._collector_to_names) == before

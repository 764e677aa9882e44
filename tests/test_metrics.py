"""Numbers of one process, and of several together."""

from types import SimpleNamespace

import msgspec

from realtime_engine.inputs import Side
from realtime_engine.metrics import Histogram, Metrics, Totals


def carried(messages_in: int, bytes_in: int, messages_out: int = 0, bytes_out: int = 0) -> SimpleNamespace:
    return SimpleNamespace(messages_in=messages_in, bytes_in=bytes_in, messages_out=messages_out, bytes_out=bytes_out)


def test_connections_are_counted_while_they_are_open_and_once_when_they_have_ended() -> None:
    metrics = Metrics()
    first, second = carried(1, 100), carried(2, 200)

    metrics.opened(Side.FRONT, first)
    metrics.opened(Side.FRONT, second)
    first.messages_in, first.bytes_in = 5, 500
    assert metrics.totals().messages["front in"] == 7
    assert metrics.totals().messages["front in"] == 7
    metrics.closed(first)
    metrics.closed(second)
    metrics.opened(Side.UPSTREAM, third := carried(0, 0, 3, 300))
    metrics.closed(third)

    assert metrics.totals().messages == {"front in": 7, "front out": 0, "upstream in": 0, "upstream out": 3}
    assert metrics.totals().bytes == {"front in": 700, "front out": 0, "upstream in": 0, "upstream out": 300}


def test_whoever_is_not_let_in_and_what_is_not_recorded_to_its_end_is_counted() -> None:
    metrics = Metrics()

    metrics.refused("full")
    metrics.refused("full")
    metrics.recording_cut()

    assert metrics.totals().refused == {"full": 2}
    assert metrics.totals().recordings_cut == 1


def test_an_observation_on_a_bound_is_within_it() -> None:
    histogram = Histogram.empty((0.1, 0.2))

    for seconds in (0.1, 0.15, 0.2, 3.0):
        histogram.observe(seconds)

    assert histogram.counts == [1, 2, 1]


def test_the_numbers_of_several_processes_add_up_after_a_journey_as_json() -> None:
    some, more = Metrics(), Metrics()
    for metrics in (some, more):
        metrics.ended("managed", 1000)
        metrics.error("upstream", "invalid_value")
        metrics.kept.connect.observe(0.3)
    more.ended("managed", 1012)
    more.ended("managed", 4711)

    both = some.totals().plus(msgspec.json.decode(msgspec.json.encode(more.totals()), type=Totals))

    assert both.ended == {"1000": 2, "1012": 1, "other": 1}
    assert both.errors == {"upstream invalid_value": 2}
    assert (sum(both.connect.counts), both.connect.total) == (2, 0.6)


def test_totals_are_a_copy() -> None:
    metrics = Metrics()

    before = metrics.totals()
    metrics.ended("managed", 1000)
    metrics.kept.connect.observe(1.0)

    assert before == Totals()


def test_when_a_process_is_gone_its_conversations_have_ended_and_its_numbers_stay() -> None:
    metrics = Metrics()
    metrics.response("completed")
    metrics.began("managed")
    metrics.began("managed")
    killed = metrics.totals().without_its_process()
    metrics.ended("managed", 1000)
    metrics.ended("managed", 1000)
    ended = metrics.totals().without_its_process()

    assert (killed.active, killed.started, killed.ended) == ({"managed": 0}, {"managed": 2}, {"1006": 2})
    assert ended.ended == {"1000": 2}
    assert killed.responses == ended.responses == {"completed": 1}

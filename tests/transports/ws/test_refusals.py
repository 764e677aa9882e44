"""Whoever is turned away cannot fill the log by it."""

from structlog.testing import capture_logs

from realtime_engine.metrics import Metrics
from transports.ws.refusals import QUIET, Refusals


def test_everybody_is_counted_and_a_reason_is_said_once_a_second_with_how_many_there_were() -> None:
    now = 100.0
    metrics = Metrics()
    refusals = Refusals(metrics, lambda: now)

    with capture_logs() as said:
        for _ in range(1000):
            refusals.note("token_required", "10.0.0.1")
        refusals.note("server_full", "10.0.0.2")
        refusals.note("upgrade_required", "10.0.0.3")
        now += QUIET
        refusals.note("token_required", "10.0.0.4")
        now += QUIET
        refusals.note("token_required", "10.0.0.5")

    assert metrics.totals().refused == {"token": 1002, "full": 1}
    assert [(line["why"], line["address"], line.get("others")) for line in said] == [
        ("token_required", "10.0.0.1", None),
        ("server_full", "10.0.0.2", None),
        ("token_required", "10.0.0.4", 999),
        ("token_required", "10.0.0.5", None),
    ]

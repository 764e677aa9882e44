"""The numbers of `realtime_engine.metrics` in Prometheus' words. Loaded when somebody asks for ``/metrics``.

The library's own registry for the whole process is not used, and nothing is kept from one answer to the next.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from realtime_engine.metrics import Counts, Histogram, Totals
from realtime_engine.recording.about import engine_version

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_MODES: Final = ("managed", "transparent")
_WAYS: Final = ("front in", "front out", "upstream in", "upstream out")


def render(totals: Totals) -> bytes:
    """The answer to ``GET /metrics``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(totals))
    return generate_latest(registry)


class _Snapshot(Collector):
    """Gives what was counted by one moment."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        """All families; each is in docs/operation.md."""
        totals = self._totals
        about = GaugeMetricFamily("engine_info", "Which engine this is.", labels=["version"])
        about.add_metric([engine_version()], 1)
        active = GaugeMetricFamily("engine_sessions_active", "Conversations under way.", labels=["mode"])
        for mode in _MODES:
            active.add_metric([mode], totals.active.get(mode, 0))
        return (
            about,
            active,
            _counter("sessions_started", "Conversations begun.", ["mode"], totals.started, _MODES),
            _counter("sessions_ended", "Conversations ended, by close code.", ["code"], totals.ended),
            _counter("sessions_refused", "Who was not let in, by the reason.", ["reason"], totals.refused),
            _counter("messages", "WebSocket messages.", ["side", "direction"], totals.messages, _WAYS),
            _counter("bytes", "Bytes of the connections, before TLS.", ["side", "direction"], totals.bytes, _WAYS),
            _counter("errors", "Errors, by who told them.", ["source", "code"], totals.errors),
            _counter("responses", "Responses ended, by status.", ["status"], totals.responses),
            _counter("tokens", "Tokens used.", ["direction", "kind"], totals.tokens),
            CounterMetricFamily("engine_tokens_cached", "Input tokens among them that were cached.", totals.cached),
            CounterMetricFamily("engine_recordings_cut", "Recordings that ended early.", totals.recordings_cut),
            CounterMetricFamily("engine_workers_lost", "Workers that ended unasked.", totals.workers_lost),
            _histogram("connect", "From asking for the upstream until it is open.", totals.connect),
            _histogram("first_audio", "From the end of speech to the first audio of an answer.", totals.first_audio),
            _histogram("silence", "From an interruption until the front is silent.", totals.silence),
        )


def _counter(name: str, meaning: str, labels: Sequence[str], counts: Counts, always: Sequence[str] = ()) -> Metric:
    family = CounterMetricFamily(f"engine_{name}", meaning, labels=labels)
    for key, number in sorted((dict.fromkeys(always, 0) | counts).items()):
        family.add_metric(key.split(" "), number)
    return family


def _histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    buckets, below = [], 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(f"engine_{name}_seconds", meaning, buckets=buckets, sum_value=histogram.total)

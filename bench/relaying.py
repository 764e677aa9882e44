"""The relay beside Node's `ws`, in the same run: `bench/relay` runs both under one load.

Two short rounds say roughly where it stands; ``ROUNDS=5`` is what the goals are about. It needs gcc with OpenSSL's
headers and Node with npm; what it builds and fetches goes into a cache outside the project.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.figure import Figure

RELAY: Final = Path(__file__).parent / "relay"
WHOLE: Final = 5  # rounds that are as long as `bench/relay` makes them by itself
SHORT: Final = ("--seconds", "4", "--memory-seconds", "2", "--full-seconds", "2", "--warmup", "1")
BASE: Final = "node-ws"


class _Latency(msgspec.Struct):
    p50: float
    p99: float


class _Part(msgspec.Struct):
    cpu_us: float
    per_second: float
    latency_us: _Latency


class _Parts(msgspec.Struct):
    steady: _Part
    few: _Part | None = None
    many: _Part | None = None
    full: _Part | None = None


class Result(msgspec.Struct):
    """What came of one round of one relay; the fields that are looked at."""

    relay: str
    round: int
    parts: _Parts
    setup_us: float
    rss_session: float = 0.0
    faults: tuple[str, ...] = ()


class Goal(NamedTuple):
    """A figure of a relay, and how many times that of `ws` it may be, or must be."""

    what: str
    of: Callable[[Result], float]
    times: float
    least: bool = False


def _part(name: str) -> Callable[[Result], _Part]:
    def of(result: Result) -> _Part:
        part = getattr(result.parts, name)
        assert isinstance(part, _Part), f"{name} was not measured"
        return part

    return of


_many, _full = _part("many"), _part("full")

GOALS: Final = (
    Goal("CPU per message, 50 sessions", lambda result: result.parts.steady.cpu_us, 1.1),
    Goal("CPU per message, 200 sessions", lambda result: _many(result).cpu_us, 0.9),
    Goal("CPU per message, full speed", lambda result: _full(result).cpu_us, 0.5),
    Goal("messages a second on one core", lambda result: _full(result).per_second, 2.0, least=True),
    Goal("memory for each session more", lambda result: result.rss_session, 0.3),
    Goal("latency p50, 50 sessions", lambda result: result.parts.steady.latency_us.p50, 1.1),
    Goal("latency p99, 50 sessions", lambda result: result.parts.steady.latency_us.p99, 1.1),
    Goal("latency p99, 200 sessions", lambda result: _many(result).latency_us.p99, 0.7),
    Goal("setting a session up", lambda result: result.setup_us, 0.6),
)


def figures() -> Iterator[Figure]:
    """The medians of each round's own ratio, plain and with TLS to the upstream; and what recording costs."""
    for name, tls in (("plain", ()), ("TLS", ("--tls",))):
        results = _measure("engine", BASE, *tls)
        for goal in GOALS:
            yield _figure(f"relay, {name}: {goal.what}", _ratio(results, goal.of, "engine", BASE), goal, "× `ws`")
    results = _measure("engine-recording", "engine", "--parts", "steady")
    goal = Goal("CPU per message", lambda result: result.parts.steady.cpu_us, 1.5)
    ratio = _ratio(results, goal.of, "engine-recording", "engine")
    yield _figure("relay, recording: CPU per message, 50 sessions", ratio, goal, "× without")


def _figure(what: str, ratio: float, goal: Goal, unit: str) -> Figure:
    met = ratio >= goal.times if goal.least else ratio <= goal.times
    return Figure(what, f"{ratio:.2f} {unit}", f"{'≥' if goal.least else '≤'} {goal.times:g} {unit}", met=met)


def _ratio(results: Sequence[Result], of: Callable[[Result], float], relay: str, base: str) -> float:
    """The median of the rounds' own ratios: what disturbs one relay in a round often disturbs the other too."""
    rounds: dict[int, dict[str, float]] = {}
    for result in results:
        rounds.setdefault(result.round, {})[result.relay] = of(result)
    return statistics.median(each[relay] / each[base] for each in rounds.values() if len(each) > 1)


def _measure(*arguments: str) -> Sequence[Result]:
    """Run relays side by side.

    Raises:
        SystemExit: It failed, or a relay has lost or changed something.
    """
    rounds = int(os.environ.get("ROUNDS", "2"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realtime-engine-bench"
    with tempfile.TemporaryDirectory(prefix="engine-bench-") as folder:
        kept = Path(folder) / "results.jsonl"
        command = [sys.executable, str(RELAY / "bench.py"), *arguments, "--rounds", str(rounds), "--save", str(kept)]
        environment = {**os.environ, "BENCH_DEPS": os.environ.get("BENCH_DEPS") or str(cache)}
        run = subprocess.run(
            [*command, *(SHORT if rounds < WHOLE else ())], env=environment, stdout=subprocess.PIPE, check=False
        )
        if run.returncode or not kept.exists():
            raise SystemExit(f"the relay could not be measured:\n{run.stdout.decode()}")
        return [msgspec.json.decode(line, type=Result) for line in kept.read_bytes().splitlines()]

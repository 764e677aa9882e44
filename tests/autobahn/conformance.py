"""Autobahn|Testsuite against the engine's WebSocket, in both roles: what was asked, and what came of it.

    python -m tests.autobahn.conformance            # all cases
    python -m tests.autobahn.conformance 1.* 2.*    # some

The suite is a program of its own, for Python 2.7; the Makefile installs it. Its exit status says nothing: its report
does.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from realtime_engine.errors import UpstreamError
from realtime_engine.network import Network, open_network
from realtime_engine.websocket import WireLimits
from tests.wires import echo, free_port, serving

ROOT: Final = Path(__file__).parent.parent.parent
WSTEST: Final = ROOT / ".venv-autobahn" / "bin" / "wstest"

LIMITS: Final = WireLimits(max_message=64 << 20, max_fragments=1 << 20)
"""The suite sends 4 MiB in 65 536 fragments."""

QUICK: Final = (
    *("1.*", "2.*", "3.*", "4.*", "5.1", "5.2", "5.3", "5.6", "5.9", "5.15", "5.18", "5.19"),
    *("6.1.*", "6.2.*", "6.3.*", "6.4.*", "6.6.*", "6.12.*", "6.22.*", "7.*", "9.1.1", "9.3.9", "9.8.1", "10.*"),
)
"""A few seconds of it: all that can be got wrong, and of what is only large or many a little."""

WITHOUT: Final = ("12.*", "13.*")
"""Compression, which is not negotiated (design.md, section 11)."""

GOOD: Final = frozenset({"OK", "INFORMATIONAL", "UNIMPLEMENTED"})

Results = Mapping[str, str]


def judge(folder: Path) -> Results:
    """What came of each case: of the exchange, or of the closing, whichever is worse."""
    (report,) = json.loads((folder / "index.json").read_bytes()).values()
    return {
        case: result["behavior"] if result["behavior"] not in GOOD else result["behaviorClose"]
        for case, result in report.items()
    }


@asynccontextmanager
async def suite(
    role: str, asked: Mapping[str, object], cases: Sequence[str], folder: Path
) -> AsyncIterator[trio.Process]:
    """The suite in one of its roles; its report goes into the folder."""
    specification = folder / "specification.json"
    more = {"outdir": str(folder), "cases": list(cases), "exclude-cases": list(WITHOUT), "exclude-agent-cases": {}}
    specification.write_text(json.dumps({**asked, **more}))
    command = [str(WSTEST), "-m", role, "-s", str(specification)]
    with (folder / "suite.log").open("wb") as log:
        run = partial(trio.run_process, command, check=False, stdout=log, stderr=log)
        async with trio.open_nursery() as nursery:
            yield await nursery.start(run)
            nursery.cancel_scope.cancel()


async def as_server(cases: Sequence[str], folder: Path) -> Results:
    """The suite is the client."""
    async with open_network() as network, serving(network, echo, limits=LIMITS) as url:
        asked = {"servers": [{"agent": "engine", "url": url}]}
        async with suite("fuzzingclient", asked, cases, folder) as process:
            await process.wait()
    return judge(folder)


async def as_client(cases: Sequence[str], folder: Path) -> Results:
    """The suite is the server; it says how many cases there are, and writes its report when it is told to."""
    url = f"ws://127.0.0.1:{free_port()}"
    asked = {"url": url, "webport": free_port()}
    async with open_network() as network, suite("fuzzingserver", asked, cases, folder):
        count = int(await ask(network, f"{url}/getCaseCount"))
        for case in range(1, count + 1):
            async with network.connect(f"{url}/runCase?case={case}&agent=engine", limits=LIMITS) as websocket:
                await echo(websocket)
        await ask(network, f"{url}/updateReports?agent=engine")
    return judge(folder)


async def ask(network: Network, url: str) -> str:
    """What the suite says about itself; it takes its time to start."""
    answer = ""
    while True:
        try:
            async with network.connect(url) as websocket:
                while batch := await websocket.read():
                    answer += "".join(message.raw.decode() for message in batch)
                await websocket.close(1000, "")
                return answer
        except UpstreamError:
            await trio.sleep(0.1)


async def both(cases: Sequence[str]) -> Mapping[str, Results]:
    """All that was asked of the engine as a server and as a client, at the same time."""
    results: dict[str, Results] = {}

    async def take(role: str, ask: Callable[[Sequence[str], Path], Awaitable[Results]]) -> None:
        with tempfile.TemporaryDirectory(prefix="autobahn-") as folder:
            results[role] = await ask(cases, Path(folder))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, "server", as_server)
        nursery.start_soon(take, "client", as_client)
    return results


def wrong(results: Mapping[str, Results]) -> Mapping[str, str]:
    """The cases that went wrong, and how."""
    return {
        f"{role} {case}": result
        for role, cases in results.items()
        for case, result in cases.items()
        if result not in GOOD
    }


def main() -> int:
    """Ask, and print what came of it."""
    results = trio.run(both, sys.argv[1:] or ["*"])
    for role, cases in results.items():
        print(f"as a {role}: {len(cases)} cases, {dict(Counter(cases.values()))}")
    for case, result in wrong(results).items():
        print(f"{case}: {result}")
    return 1 if wrong(results) else 0


if __name__ == "__main__":
    sys.exit(main())

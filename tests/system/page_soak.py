"""The page for a long time: ``python -m tests.system.page_soak``, part of ``make soak``.

First it is ready within 150 ms, in the median of some loads, on a machine that has nothing else to do. Then a minute in
which a conversation grows to 500 items while the microphone is on, with no frame over 50 ms; then twelve minutes in
which it goes on, with memory that is flat after ten.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from tests.system.browser import RATE, Visit, chromium, serving, visiting
from tests.system.chatterbox import WATCH_FRAMES, Chatterbox, tone

LOADS: Final = 21
READY: Final = 150.0  # milliseconds
MINUTE: Final = 60.0
ITEMS: Final = 500
LONGEST_FRAME: Final = 50.0  # milliseconds
MOST_GROWTH: Final = 4 << 20  # bytes within the last two minutes


def frames(visit: Visit, box: Chatterbox) -> list[float]:
    """How long each frame took while the conversation grew."""
    speech, began = tone(0.08), time.monotonic()
    visit.page.evaluate(WATCH_FRAMES)
    while box.turns < ITEMS:
        box.ask_and_answer(speech)
        due = began + box.turns / ITEMS * MINUTE
        visit.page.wait_for_timeout(max(1.0, (due - time.monotonic()) * 1000))
    return sorted(map(float, visit.page.evaluate("() => frames.splice(0)")))


def memory(visit: Visit) -> int:
    """Bytes that the page holds, after everything was thrown away that can be."""
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("HeapProfiler.collectGarbage")
    session.detach()
    return int(visit.page.evaluate("async () => (await performance.measureUserAgentSpecificMemory()).bytes"))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        microphone = Path(folder) / "microphone.wav"
        soundfile.write(microphone, np.random.default_rng(1).uniform(-0.3, 0.3, RATE * 20), RATE)
        with chromium(microphone) as browser, serving() as server, visiting(browser, server.url) as visit:
            ready = sorted(visit.reload() for _ in range(LOADS))
            print(f"{LOADS} loads, ready after {ready[LOADS // 2]:.0f} ms, the longest after {ready[-1]:.0f} ms")
            box = Chatterbox(visit)
            taken = frames(visit, box)
            late = sum(1 for each in taken if each > LONGEST_FRAME)
            print(
                f"{len(taken)} frames, median {taken[len(taken) // 2]:.1f} ms, longest {taken[-1]:.1f} ms, {late} late"
            )
            held: list[int] = []
            speech, began = tone(0.2), time.monotonic()
            for minute in range(1, 13):
                while time.monotonic() < began + minute * MINUTE:
                    box.ask_and_answer(speech)
                    visit.page.wait_for_timeout(1200)
                held.append(memory(visit))
                print(f"after {minute} min: {held[-1] / 1e6:.1f} MB, {box.turns} items")
    grown = held[-1] - held[-3]
    print(f"in the last two minutes: {grown / 1e6:+.1f} MB")
    return int(ready[LOADS // 2] >= READY or late > 0 or grown > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())

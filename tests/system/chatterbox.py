"""A server that lets a conversation grow without end, and what the page makes of it, frame by frame."""

import base64
import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, Page, WebSocketRoute

from tests.system.browser import Visit

WATCH_FRAMES: Final = """
() => {
  window.frames = [];
  let last = performance.now();
  const next = () => {
    const now = performance.now();
    frames.push(now - last);
    last = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}
"""


@contextmanager
def tasks(browser: Browser, page: Page) -> Iterator[list[float]]:
    """How long each task of the page's main thread takes, in milliseconds of the processor, once the block is over.

    A busy machine makes a frame late, but no task dearer.
    """
    took: list[float] = []
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    try:
        yield took
    finally:
        trace = json.loads(browser.stop_tracing())
        events = trace["traceEvents"] if isinstance(trace, dict) else trace
        main = {e["tid"] for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"}
        runs = [e for e in events if e["name"] == "RunTask" and e.get("tid") in main]
        took += sorted(e["tdur"] / 1000 for e in runs if "tdur" in e)


def tone(seconds: float) -> str:
    samples = (int(8000 * math.sin(n / 5)) for n in range(int(24_000 * seconds)))
    return base64.b64encode(b"".join(struct.pack("<h", sample) for sample in samples)).decode()


class Chatterbox:
    """A server that lets a conversation grow."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.socket: WebSocketRoute | None = None
        self.turns = 0
        visit.page.route_web_socket("**/ws", self._take)
        visit.page.reload()
        visit.page.click("#talk")
        visit.shows("#live-word", "live")
        self._say("session.created", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})

    def _take(self, socket: WebSocketRoute) -> None:
        self.socket = socket

    def _say(self, kind: str, **event: object) -> None:
        assert self.socket is not None
        self.socket.send(json.dumps({"type": kind, **event}))

    def shown(self) -> None:
        """Wait until all turns are on the screen."""
        count = "(turns) => document.querySelectorAll('.turn').length === turns"
        self.visit.page.wait_for_function(count, arg=self.turns)
        self.visit.painted()

    def ask_and_answer(self, speech: str, pieces: int = 6) -> None:
        self._add("user", [{"type": "input_text", "text": f"What about number {self.turns}, and all that?"}])
        item, response = self._add("assistant", []), f"resp_{self.turns}"
        place = {"item_id": item, "response_id": response, "content_index": 0}
        self._say("response.created", response={"id": response})
        for _ in range(pieces):
            self._say("response.output_audio_transcript.delta", **place, delta="a few words more ")
            self._say("response.output_audio.delta", **place, delta=speech)
        self._say("response.output_audio_transcript.done", **place, transcript="a few words more " * pieces)
        usage = {"total_tokens": 100, "input_tokens": 60, "output_tokens": 40}
        self._say("response.done", response={"id": response, "status": "completed", "output": [], "usage": usage})

    def _add(self, role: str, content: list[dict[str, str]]) -> str:
        previous = f"item_{self.turns}" if self.turns else None
        self.turns += 1
        item = {"type": "message", "id": f"item_{self.turns}", "role": role, "content": content}
        status = "completed" if content else "in_progress"
        self._say("conversation.item.added", item={**item, "status": status}, previous_item_id=previous)
        return f"item_{self.turns}"

"""Real Chromium at the page of a real server: what it hears, what it says, what it shows.

The microphone plays a WAV file, from its beginning each time it is switched on. What the page plays is heard on the
last step before the loudspeaker, to the sample.
"""

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, WebSocketRoute, sync_playwright

from tests.wires import free_port

ROOT: Final = Path(__file__).parent.parent.parent
AXE: Final = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
RATE: Final = 24_000
WAIT: Final = 60_000  # milliseconds until a page that does not get on has failed
DESKTOP: Final = (1280, 800)
PHONE: Final = (390, 844)

Sound = npt.NDArray[np.float64]
Event = Mapping[str, Any]

_ARGUMENTS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
)

_EAR: Final = """
class Ear extends AudioWorkletProcessor {
  process([[samples]]) {
    const whole = (sample) => Math.round(sample * 32767);
    if (samples) this.port.postMessage({ at: currentFrame, samples: Int16Array.from(samples, whole) });
    return true;
  }
}
registerProcessor("ear", Ear);
"""

_LISTEN: Final = """
(() => {
  const connect = AudioNode.prototype.connect;
  const ear = (window.ear = { pieces: [], cleared: [], atOnce: [], played: [], context: null, asked: [], tracks: [] });
  const listen = async (node) => {
    ear.context = node.context;
    await node.context.audioWorklet.addModule(URL.createObjectURL(new Blob([EAR], { type: "text/javascript" })));
    const hears = new AudioWorkletNode(node.context, "ear", { numberOfOutputs: 0 });
    hears.port.onmessage = ({ data }) => ear.pieces.push(data);
    connect.call(node, hears);
  };
  let isClearing = false;
  const follow = (port) => {
    const post = port.postMessage.bind(port);
    port.postMessage = (message, ...rest) => {
      if (message.clear) ear.atOnce.push(isClearing);
      post(message, ...rest);
    };
    port.addEventListener("message", ({ data }) => data.cleared && ear.cleared.push(data.at));
  };
  AudioNode.prototype.connect = function (to, ...rest) {
    const isSpeaker = to instanceof AudioDestinationNode && this instanceof AudioWorkletNode && !this.numberOfInputs;
    if (isSpeaker) {
      void listen(this);
      follow(this.port);
    }
    return connect.call(this, to, ...rest);
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (!data.includes("output_audio_buffer.cleared")) return;
        isClearing = true;
        setTimeout(() => (isClearing = false));
      });
    }
    send(data) {
      const isReport = typeof data === "string" && data.includes("output_audio_buffer.played");
      if (isReport) ear.played.push([ear.context.currentTime, JSON.parse(data).audio_ms / 1000]);
      super.send(data);
    }
  };
  if (!navigator.mediaDevices) return;
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    ear.asked.push(wanted.audio);
    const stream = await ask(wanted);
    ear.tracks.push(...stream.getTracks());
    return stream;
  };
})();
"""

_REMEMBER: Final = """
() => {
  window.states = [];
  const note = (state) => state !== window.states.at(-1) && window.states.push(state);
  new MutationObserver((changes) => {
    for (const { oldValue } of changes.slice(1)) note(oldValue);
    note(document.body.dataset.state);
  }).observe(document.body, { attributeFilter: ["data-state"], attributeOldValue: true });
}
"""

_HEARD: Final = """
() => {
  const bytes = (samples) => btoa(String.fromCharCode(...new Uint8Array(samples.buffer)));
  return ear.pieces.map(({ at, samples }) => [at, bytes(samples)]);
}
"""


@contextmanager
def chromium(microphone: Path | None = None, *arguments: str) -> Iterator[Browser]:
    """Debian's browser; its microphone plays the file, or it has none."""
    path = shutil.which("chromium")
    assert path is not None, "the tests of the page need Debian's chromium: make system"
    fake: list[str] = []
    if microphone is not None:
        fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *fake, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Server:
    """``engine serve`` in a process of its own, with the embedded model or another upstream."""

    arguments: Sequence[str]
    port: int
    upstream: str = "local"
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        command = [sys.executable, "-m", "cli", "serve", "--transport", "ws", "--upstream", self.upstream]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        if any(line.startswith("engine: open http") for line in self.process.stderr):
            return
        raise AssertionError(f"the server has not started: {self.process.wait()}")

    def stop(self, *, at_once: bool = False) -> None:
        assert self.process is not None
        self.process.kill() if at_once else self.process.terminate()
        self.process.communicate(timeout=15)


@contextmanager
def serving(*arguments: str, upstream: str = "local") -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(arguments, free_port(), upstream)  # which stays free while it restarts
    server.start()
    try:
        yield server
    finally:
        server.stop(at_once=True)


@dataclass  # without slots: playwright keeps what it makes of a handler on the object
class Visit:
    """A person at the page, who can see into its wires.

    Attributes:
        received: The events that came, each with its time.
        sent: The events that went.
        spoken: The microphone audio that went, as bytes.
    """

    page: Page
    received: list[tuple[float, Event]] = field(default_factory=list)
    sent: list[tuple[float, Event]] = field(default_factory=list)
    spoken: bytearray = field(default_factory=bytearray)
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.received.append((time.monotonic(), json.loads(frame))))
        socket.on("framesent", self._went)

    def _went(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.spoken += frame
        else:
            self.sent.append((time.monotonic(), json.loads(frame)))

    def state(self, state: str) -> None:
        """Wait until the talk button is in a state, even if it is for one frame."""
        self.page.wait_for_function("(state) => document.body.dataset.state === state", arg=state, timeout=WAIT)

    def remember_states(self) -> None:
        """From now on note each state of the talk button, however short."""
        self.page.evaluate(_REMEMBER)

    def states(self) -> list[str]:
        return [str(state) for state in self.page.evaluate("() => window.states")]

    def shows(self, selector: str, text: str = "") -> None:
        """Wait until something is seen."""
        self.page.locator(selector).filter(has_text=text).first.wait_for(timeout=WAIT)

    def comes(self, kind: str, count: int = 1) -> Event:
        """Wait for the nth event of a type."""
        self.until(lambda: len(self.all(kind)) >= count, f"{kind} has not come {count} times")
        return self.all(kind)[count - 1]

    def goes(self, kind: str, count: int = 1) -> Event:
        """Wait until the nth event of a type has gone."""
        self.until(lambda: len(self.all_sent(kind)) >= count, f"{kind} has not gone {count} times")
        return self.all_sent(kind)[count - 1]

    def until(self, condition: Callable[[], bool], problem: str) -> None:
        """Wait until something holds."""
        latest = time.monotonic() + WAIT / 1000
        while not condition():
            assert time.monotonic() < latest, problem
            self.page.wait_for_timeout(20)

    def all(self, kind: str) -> list[Event]:
        return [event for _, event in self.received if event["type"] == kind]

    def all_sent(self, kind: str) -> list[Event]:
        return [event for _, event in self.sent if event["type"] == kind]

    def painted(self) -> None:
        """Wait until all that has come is on the screen."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def reload(self) -> float:
        """Load the page once more: after how many milliseconds it is ready."""
        self.page.reload()
        self.page.wait_for_function("() => performance.getEntriesByName('ready').length > 0")
        return float(self.page.evaluate("() => performance.getEntriesByName('ready')[0].startTime"))

    def write(self, text: str) -> None:
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    def heard(self) -> tuple[Sound, int]:
        """All that went to the loudspeaker, and the frame of the context's clock at which it begins."""
        pieces = self.page.evaluate(_HEARD)
        if not pieces:
            return np.zeros(0), 0
        sounds = [np.frombuffer(base64.b64decode(samples), "<i2") for _, samples in pieces]
        return np.concatenate(sounds) / 32_768, int(pieces[0][0])

    def answer(self, item_id: str) -> Sound:
        """The speech that came for an item."""
        deltas = [event for event in self.all("response.output_audio.delta") if event["item_id"] == item_id]
        return pcm(b"".join(base64.b64decode(event["delta"]) for event in deltas))


class Scripted:
    """A server in the engine's place, which says what the test says.

    Attributes:
        sockets: The connections that the page made, oldest first.
        heard: What the page said on them all.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.sockets: list[WebSocketRoute] = []
        self.heard: list[Event] = []
        visit.page.route_web_socket("**/ws", self._take)
        visit.page.reload()
        self.connect()

    def _take(self, socket: WebSocketRoute) -> None:
        socket.on_message(lambda said: self.heard.append(json.loads(said)) if isinstance(said, str) else None)
        self.sockets.append(socket)

    def connect(self) -> None:
        """Let the page connect, once more if it has before."""
        self.visit.page.click("#talk")
        self.visit.shows("#live-word", "live")

    def say(self, kind: str, **event: object) -> None:
        self.sockets[-1].send(json.dumps({"event_id": "event_1", "type": kind, **event}))

    def hears(self, kind: str, count: int = 1) -> Event:
        """Wait for the nth event of a type."""
        self.visit.until(lambda: len(self.all(kind)) >= count, f"{kind} has not gone {count} times")
        return self.all(kind)[count - 1]

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.heard if event["type"] == kind]


def pcm(audio: bytes) -> Sound:
    return np.frombuffer(audio, "<i2") / 32_768


def likeness(sound: Sound, within: Sound) -> float:
    """How much of a sound is in another, piece by piece of 0.2 s: 1 is all of it, unchanged; the median counts.

    A machine that is busy may leave a gap between two pieces; that is no difference in what was said.
    """
    pieces = [piece for piece in np.array_split(sound, max(1, len(sound) * 5 // RATE)) if np.std(piece) > 0.005]
    return float(np.median([_likeness(piece, within) for piece in pieces])) if pieces else 0.0


def _likeness(piece: Sound, within: Sound) -> float:
    """The correlation with the place that is most like it."""
    if len(within) < len(piece):
        return 0.0
    size = 1 << (len(piece) + len(within) - 1).bit_length()  # a length with a large prime in it takes ten times as long
    product = np.fft.irfft(np.fft.rfft(within, size) * np.conj(np.fft.rfft(piece, size)), size)
    energy = np.cumsum(np.concatenate([[0.0], within**2]))
    norms = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-4)) * np.linalg.norm(piece)
    return float(np.max(product[: len(norms)] / norms))


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    microphone: bool = True,
    dark: bool = False,
    ear: bool = False,
    **context: Any,
) -> Iterator[Visit]:
    """Somebody opens the page. Whatever goes wrong in its scripts fails the test.

    With an ``ear`` what goes to the loudspeaker is heard: a script of the test's own, which the page's rules forbid.
    """
    permissions = ["clipboard-read", "clipboard-write", *(["microphone"] if microphone else [])]
    opened = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        permissions=permissions,
        bypass_csp=ear,
        **context,
    )
    if ear:
        opened.add_init_script(_LISTEN.replace("EAR", json.dumps(_EAR)))
    try:
        with _open(opened, url) as visit:
            yield visit
            assert not visit.problems
    finally:
        opened.close()


@contextmanager
def _open(context: BrowserContext, url: str) -> Iterator[Visit]:
    page = context.new_page()
    page.set_default_timeout(WAIT)
    visit = Visit(page)
    page.on("pageerror", lambda error: visit.problems.append(f"{error}\n{error.stack}"))
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("websocket", visit.watch)
    page.goto(url)
    page.wait_for_function("() => performance.getEntriesByName('ready').length > 0")
    yield visit

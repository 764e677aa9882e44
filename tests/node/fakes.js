/** A browser's sound as far as the page knows it, which can be looked at, held up and made to fail. */
import { load, wake } from "./sound.js";

export class Browser {
  /** @type {Context[]} */ contexts = [];
  /** @type {Worklet[]} */ worklets = [];
  /** @type {Source[]} */ sources = []; // of sound that is played without a worklet
  /** @type {Track[]} */ tracks = [];
  asked = []; // what getUserMedia was asked for
  answers = true; // whether the audio thread runs
  failing = new Set(); // modules that do not come
  missing = new Set(); // devices that are not plugged in
  #gate = Promise.resolve();

  constructor() {
    const browser = this;
    globalThis.AudioContext = class extends Context {
      constructor() {
        super(browser);
      }
    };
    globalThis.AudioWorkletNode = class extends Worklet {
      constructor(context, name) {
        super(browser, context, name);
      }
    };
    const mediaDevices = { getUserMedia: (wanted) => this.#ask(wanted) };
    Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });
  }

  /** From now on whatever is waited for takes until `let()`. */
  hold() {
    this.#gate = new Promise((resolve) => (this.let = resolve));
  }

  get gate() {
    return this.#gate;
  }

  async #ask({ audio }) {
    this.asked.push(audio);
    await this.gate;
    if (this.missing.has(audio.deviceId?.exact)) throw Object.assign(new Error(), { name: "OverconstrainedError" });
    const track = new Track();
    this.tracks.push(track);
    return { getTracks: () => [track], getAudioTracks: () => [track] };
  }

  get live() {
    return this.tracks.filter((track) => track.readyState === "live").length;
  }

  /** The worklets that are connected. */
  get wired() {
    return this.worklets.filter((worklet) => worklet.isConnected);
  }
}

class Track {
  readyState = "live";

  stop() {
    this.readyState = "ended";
  }
}

class Node {
  isConnected = false;

  constructor(context) {
    this.context = context;
  }

  connect(to) {
    this.isConnected = true;
    return to;
  }

  disconnect() {
    this.isConnected = false;
  }
}

class Source extends Node {
  start() {}
}

class Context extends EventTarget {
  state = "running";
  currentTime = 0;
  destination = {};
  sinks = []; // that were chosen

  constructor(browser) {
    super();
    this.browser = browser;
    browser.contexts.push(this);
    this.audioWorklet = { addModule: (module) => this.#fetch(module) };
  }

  async #fetch(module) {
    await this.browser.gate;
    if (this.browser.failing.has(module)) throw new Error("not found");
  }

  async resume() {}

  async suspend() {}

  async close() {
    this.state = "closed";
  }

  async setSinkId(device) {
    this.sinks.push(device);
    if (this.browser.missing.has(device)) throw new Error("not found");
  }

  createMediaStreamSource() {
    return new Node(this);
  }

  createBufferSource() {
    const source = new Source(this);
    this.browser.sources.push(source);
    return source;
  }

  createBuffer(channels, length, rate) {
    return { duration: length / rate, copyToChannel: () => {} };
  }
}

class Worklet extends Node {
  told = [];

  constructor(browser, context, name) {
    super(context);
    this.name = name;
    browser.worklets.push(this);
    this.port = { onmessage: null, postMessage: (message) => this.#take(message) };
  }

  #take(message) {
    this.told.push(message);
    if (message === "flush" && this.context.browser.answers) queueMicrotask(() => this.says({ samples: new Int16Array(7), last: true }));
  }

  says(data) {
    this.port.onmessage?.({ data });
  }
}

/** Let the page open another context, as after one that has failed. */
export async function anotherContext() {
  const context = await wake();
  context.browser.failing.add("nothing");
  await load(context, "nothing").catch(() => {});
}

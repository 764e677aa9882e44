// @ts-check
/** The person's microphone: on, off, and why it cannot be on. Nothing else of the browser is known here. */
import { RATE, wake } from "./sound.js";

export class MicrophoneError extends Error {
  /** @param {"refused" | "missing" | "insecure" | "busy"} kind */
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/** What getUserMedia calls what went wrong. @type {Record<string, "refused" | "missing" | "busy">} */
const KINDS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
};

/**
 * @typedef {object} Choice
 * @property {string} deviceId empty: the system's
 * @property {boolean} processing remove echo and noise
 */

export class Microphone {
  /** @type {MediaStream | null} */ #stream = null;
  /** @type {AudioContext | null} */ #own = null;
  /** @type {AudioNode[]} */ #nodes = [];
  /** @type {AudioWorkletNode | null} */ #node = null;
  /** @type {(() => void) | null} */ #flushed = null;
  #wanted = 0;

  /**
   * @param {(samples: Int16Array<ArrayBuffer>) => void} onFrame 20 ms of PCM16, 24 kHz
   * @param {() => void} onLost the device is gone
   */
  constructor(onFrame, onLost) {
    this.onFrame = onFrame;
    this.onLost = onLost;
  }

  get on() {
    return this.#stream !== null;
  }

  /** The device that is listened to. */
  get deviceId() {
    return this.#stream?.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /**
   * Switch it on; asking the person may take as long as they like.
   * @param {Choice} choice
   * @returns {Promise<boolean>} false: it was switched off meanwhile
   */
  async start(choice) {
    this.stop();
    const wanted = ++this.#wanted;
    const stream = await listen(choice);
    try {
      if (wanted === this.#wanted) await this.#connect(stream);
    } catch (error) {
      release(stream);
      throw error;
    }
    if (wanted !== this.#wanted) {
      release(stream);
      return false;
    }
    this.#stream = stream;
    stream.getAudioTracks()[0].onended = () => {
      if (this.#stream === stream) this.#lose();
    };
    return true;
  }

  /** Switch it off: its tracks stop, and the browser's light goes out. */
  stop() {
    this.#wanted++;
    if (this.#stream) release(this.#stream);
    this.#stream = null;
    for (const node of this.#nodes) node.disconnect();
    this.#nodes = [];
    if (this.#node) this.#node.port.onmessage = null;
    this.#node = null;
    void this.#own?.close();
    this.#own = null;
    this.#flushed?.();
  }

  /** Give the rest of what was heard until now. */
  async flush() {
    if (!this.#node) return;
    await new Promise((resolve) => {
      this.#flushed = () => resolve(undefined);
      this.#node?.port.postMessage("flush");
    });
    this.#flushed = null;
  }

  #lose() {
    this.stop();
    this.onLost();
  }

  /** @param {MediaStream} stream */
  async #connect(stream) {
    const shared = await wake();
    const { source, context } = this.#source(shared, stream);
    await context.audioWorklet.addModule("capture-worklet.js");
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 1, outputChannelCount: [1] });
    node.port.onmessage = ({ data: { samples, last } }) => {
      if (samples.length) this.onFrame(samples);
      if (last) this.#flushed?.();
    };
    source.connect(node).connect(context.destination); // it gives silence; without an end it would not run
    this.#nodes = [source, node];
    this.#node = node;
  }

  /** Some browsers connect a microphone only to a context of its own rate. @param {AudioContext} shared @param {MediaStream} stream */
  #source(shared, stream) {
    try {
      return { source: shared.createMediaStreamSource(stream), context: shared };
    } catch {
      this.#own = new AudioContext({ latencyHint: "interactive" });
      return { source: this.#own.createMediaStreamSource(stream), context: this.#own };
    }
  }
}

/** @param {Choice} choice @returns {Promise<MediaStream>} */
async function listen({ deviceId, processing }) {
  if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError("insecure");
  const audio = {
    channelCount: 1,
    sampleRate: { ideal: RATE },
    echoCancellation: processing,
    noiseSuppression: processing,
    autoGainControl: processing,
    ...(deviceId && { deviceId: { exact: deviceId } }),
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneError(KINDS[/** @type {DOMException} */ (error).name] ?? "busy");
  }
}

/** @param {MediaStream} stream */
function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

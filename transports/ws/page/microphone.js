// @ts-check
/** The person's microphone: on, off, and why it cannot be on. Nothing else of the browser is known here. */
import { RATE, leave, load, wake } from "./sound.js";

const MODULE = "capture-worklet.js";
const PATIENCE = 200; // milliseconds for an answer of the audio thread, which may stand still

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
  /** @type {Line | null} */ #line = null;
  /** @type {Promise<void> | undefined} */ #ended; // the line before
  #attempt = 0;
  #asking = false;

  /**
   * @param {(samples: Int16Array<ArrayBuffer>) => void} onFrame 20 ms of PCM16, 24 kHz
   * @param {() => void} onLost the device is gone
   */
  constructor(onFrame, onLost) {
    this.onFrame = onFrame;
    this.onLost = onLost;
  }

  get on() {
    return this.#line !== null;
  }

  /** Whether it is on, or about to be: the person may be asked at this moment. */
  get wanted() {
    return this.on || this.#asking;
  }

  /**
   * Switch it on; asking the person may take as long as they like.
   * @param {Choice} choice
   * @returns {Promise<boolean>} false: meanwhile it was switched off, or on once more
   */
  async start(choice) {
    const ended = this.stop();
    const attempt = this.#attempt;
    this.#asking = true;
    try {
      await ended;
      const line = await Line.open(choice, this.onFrame);
      if (attempt === this.#attempt) this.#take(line);
      else line.close();
    } catch (error) {
      if (attempt === this.#attempt) throw error;
    } finally {
      if (attempt === this.#attempt) this.#asking = false;
    }
    return attempt === this.#attempt;
  }

  /** Switch it off: its tracks stop at once, and the browser's light goes out; then comes the rest of what it has heard. */
  async stop() {
    this.#attempt++;
    this.#asking = false;
    if (this.#line) this.#ended = this.#line.end();
    this.#line = null;
    await this.#ended;
  }

  /** Give the rest of what was heard until now. */
  async flush() {
    await this.#line?.flush();
  }

  /** @param {Line} line */
  #take(line) {
    this.#line = line;
    line.stream.getAudioTracks()[0].onended = async () => {
      if (this.#line !== line) return;
      await this.stop();
      this.onLost();
    };
  }
}

/** What is between a microphone and its frames. */
class Line {
  /** @type {(() => void)[]} */ #flushes = []; // that are under way

  /** @param {MediaStream} stream @param {MediaStreamAudioSourceNode} source @param {(samples: Int16Array<ArrayBuffer>) => void} onFrame */
  constructor(stream, source, onFrame) {
    this.stream = stream;
    this.source = source;
    this.node = new AudioWorkletNode(source.context, "capture", { numberOfOutputs: 1, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data: { samples, last } }) => {
      if (samples.length) onFrame(samples);
      if (last) this.#flushes.shift()?.();
    };
    source.connect(this.node).connect(source.context.destination); // it gives silence; without an end it would not run
  }

  /** All is ready before the person is asked, so that no word is spoken to nobody. @param {Choice} choice @param {(samples: Int16Array<ArrayBuffer>) => void} onFrame */
  static async open(choice, onFrame) {
    const shared = await wake();
    await load(shared, MODULE);
    const stream = await listen(choice);
    try {
      const source = sourceIn(shared, stream);
      await load(source.context, MODULE);
      return new Line(stream, source, onFrame);
    } catch (error) {
      release(stream);
      throw error;
    }
  }

  /** Give the rest of what was heard until now. */
  async flush() {
    await new Promise((resolve) => {
      this.#flushes.push(() => resolve(undefined));
      setTimeout(resolve, PATIENCE);
      this.node.port.postMessage("flush");
    });
  }

  /** Listen no longer, but give the rest. */
  async end() {
    release(this.stream);
    await this.flush();
    this.close();
  }

  close() {
    release(this.stream);
    this.source.disconnect();
    this.node.disconnect();
    this.node.port.onmessage = null;
    leave(this.source.context);
  }
}

/** Some browsers connect a microphone only to a context of its own rate. @param {AudioContext} shared @param {MediaStream} stream */
function sourceIn(shared, stream) {
  try {
    return shared.createMediaStreamSource(stream);
  } catch {
    return new AudioContext({ latencyHint: "interactive" }).createMediaStreamSource(stream);
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
    const { name } = /** @type {DOMException} */ (error);
    if (deviceId && KINDS[name] === "missing") return await listen({ deviceId: "", processing }); // the chosen one is not plugged in
    throw new MicrophoneError(KINDS[name] ?? "busy");
  }
}

/** @param {MediaStream} stream */
function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

// @ts-check
/**
 * What the model says goes to the ear, and what was heard of it comes back: by item, in milliseconds.
 *
 * The audio thread counts what it has given to the sound card; what is still on its way to the ear is taken off.
 */
import { PlainPlayer } from "./plain.js";
import { RATE, leave, load, toFloat, wake } from "./sound.js";

const MS = RATE / 1000;
const EVERY = 0.1; // seconds between two reports
const TRACKS = 200; // remembered, newest

/** @typedef {{item: string, part: number, response: string, replay?: boolean}} Track */

export class Speaker {
  /** @type {AudioWorkletNode | null} */ #node = null;
  /** @type {AudioContext | null} */ #context = null;
  /** @type {Promise<void> | null} */ #opening = null;
  /** @type {Map<number, Track>} */ #tracks = new Map();
  /** @type {Map<string, number>} */ #numbers = new Map();
  /** @type {Set<string>} */ #muted = new Set();
  /** @type {{item: string, part: number, ms: number} | null} */ #place = null;
  /** @type {{audio: Float32Array, track: number}[]} */ #waiting = []; // until it is ready to sound
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #due; // a report
  #tenth = -1; // of a second, by the context's clock, when the last report was due
  #count = 0;
  #replaying = -1;
  #sink = "";

  /**
   * @param {object} on
   * @param {(item: string, part: number, ms: number, cleared?: string) => void} on.played
   * @param {(delay: number) => void} on.began the first sound of an item is heard in so many ms
   * @param {(sounding: boolean) => void} on.sounding speech of the model is going out
   * @param {(pairs: number[]) => void} on.peaks of 10 ms each
   * @param {(ms: number | null) => void} on.replayed how far; null: to its end
   * @param {() => void} on.gone the chosen loudspeaker is; the system's plays now
   */
  constructor(on) {
    this.on = on;
    this.plain = new PlainPlayer((ms) => this.on.replayed(ms));
  }

  /** Make ready to sound; what comes meanwhile is not lost. */
  async open() {
    const context = await wake();
    if (this.#context === context) return;
    this.#opening ??= this.#make(context);
    try {
      await this.#opening;
    } finally {
      this.#opening = null;
      this.#waiting = [];
    }
  }

  /** @param {AudioContext} context */
  async #make(context) {
    await load(context, "playback-worklet.js");
    if (this.#context) leave(this.#context);
    this.#context = context;
    context.addEventListener("error", () => this.#sink && void this.lose());
    if (this.#sink) await this.use(this.#sink);
    this.#node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#told(data);
    this.#node.connect(context.destination);
    for (const { audio, track } of this.#waiting) this.#send(audio, track);
  }

  /** Whether the loudspeaker can be chosen in this browser. */
  static get selectable() {
    return "setSinkId" in AudioContext.prototype;
  }

  /** Choose the loudspeaker; empty: the system's. @param {string} deviceId */
  async use(deviceId) {
    this.#sink = deviceId;
    try {
      await /** @type {any} */ (this.#context)?.setSinkId?.(deviceId);
    } catch {
      if (deviceId) await this.lose();
    }
  }

  /** The chosen loudspeaker is gone. */
  async lose() {
    await this.use("");
    this.on.gone();
  }

  /**
   * Speech of the model.
   * @param {Track} track @param {Int16Array} samples
   */
  add(track, samples) {
    if (this.#muted.has(track.response)) return;
    if (this.#replaying >= 0) this.stopReplay();
    this.#play(this.#number(track), samples);
  }

  /** Fall silent. @param {string} [cleared] the event that asked for it, which the last report names */
  clear(cleared) {
    this.stopReplay();
    this.#silence(cleared);
  }

  /** @param {string} [cleared] */
  #silence(cleared) {
    this.#node?.port.postMessage({ clear: cleared ?? null });
    const track = this.#tracks.get(this.#waiting[0]?.track);
    this.#waiting = [];
    if (track?.item) this.on.played(track.item, track.part, 0, cleared); // the first that nobody hears
  }

  /** Fall silent now, before the engine says so, and stay so for what is on its way. @param {Iterable<string>} responses */
  mute(responses) {
    for (const response of responses) this.#muted.add(response);
    for (const old of this.#muted) if (this.#muted.size > TRACKS) this.#muted.delete(old);
    this.clear();
  }

  /** A new conversation: nothing of the last is known any more. */
  forget() {
    this.clear();
    this.#muted.clear();
    this.#tracks.clear();
    this.#numbers.clear(); // another conversation may have the same ids
    this.#place = null;
    this.#settle();
  }

  /** Play a turn again. @param {Int16Array[]} pieces */
  async replay(pieces) {
    this.clear();
    const number = this.#number({ item: "", part: this.#count, response: "", replay: true });
    this.#replaying = number;
    try {
      await this.open();
    } catch {
      this.#replaying = -1;
      this.plain.play(await wake(), pieces);
    }
    if (this.#replaying !== number) return; // it was stopped, or plays already
    for (const piece of pieces) this.#play(number, piece);
  }

  stopReplay() {
    this.plain.stop();
    if (this.#replaying < 0) return;
    this.#replaying = -1;
    this.#silence();
    this.on.replayed(null);
  }

  /** @param {number} track @param {Int16Array} samples */
  #play(track, samples) {
    const audio = toFloat(samples);
    if (this.#node) this.#send(audio, track);
    else if (this.#opening) this.#waiting.push({ audio, track });
  }

  /** @param {Float32Array} audio @param {number} track */
  #send(audio, track) {
    this.#node?.port.postMessage({ audio, track }, [audio.buffer]);
  }

  /** @param {Track} track */
  #number(track) {
    const key = `${track.item}/${track.part}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#count++;
      this.#numbers.set(key, number);
      this.#tracks.set(number, track);
      this.#forgetOldest();
    }
    return number;
  }

  #forgetOldest() {
    if (this.#tracks.size <= TRACKS) return;
    const [number, track] = /** @type {[number, Track]} */ (this.#tracks.entries().next().value);
    this.#tracks.delete(number);
    this.#numbers.delete(`${track.item}/${track.part}`);
  }

  /** @param {{at: number, places: [number, number][], began: [number, number][], peaks: number[], sounding: boolean, cleared?: string | null}} said */
  #told({ at, places, began, peaks, sounding, cleared }) {
    const isClear = cleared !== undefined;
    const replays = this.#replays(places, sounding);
    if (!replays) this.#heard(places, sounding, isClear, at);
    for (const [number, since] of began) this.#began(number, since);
    if (peaks.length) this.on.peaks(peaks);
    this.on.sounding(sounding && !replays && !isClear);
    if (isClear) this.#cleared(cleared);
  }

  /** @param {[number, number][]} places @param {boolean} sounding @returns whether it is a turn that is played again */
  #replays(places, sounding) {
    const [number, samples] = places.at(-1) ?? [-1, 0];
    if (number === this.#replaying && number >= 0) {
      if (!sounding) this.#replaying = -1;
      this.on.replayed(sounding ? samples / MS : null);
    }
    return Boolean(this.#tracks.get(number)?.replay);
  }

  /** @param {[number, number][]} places @param {boolean} sounding @param {boolean} isClear @param {number} at */
  #heard(places, sounding, isClear, at) {
    const here = places.map(([number, samples]) => ({ .../** @type {Track} */ (this.#tracks.get(number)), ms: Math.floor(samples / MS) }));
    const last = here.pop();
    for (const { item, part, ms } of here) if (item) this.on.played(item, part, ms);
    if (!last?.item) return;
    this.#place = last;
    if (sounding && !isClear) {
      this.#owe(at);
      return;
    }
    this.#settle();
    if (!isClear) this.on.played(last.item, last.part, last.ms);
  }

  /**
   * A report is due in each tenth of a second of the sound's own clock, so that they keep their pace. Of those that a
   * busy page is late with only the newest is given, once all has come that waits.
   * @param {number} at
   */
  #owe(at) {
    const tenth = Math.floor(at / EVERY);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    this.#due ??= setTimeout(() => {
      this.#due = undefined;
      const place = this.#place;
      if (place) this.on.played(place.item, place.part, Math.max(0, place.ms - this.#onItsWay()));
    });
  }

  /** No report is due. */
  #settle() {
    clearTimeout(this.#due);
    this.#due = undefined;
  }

  /** @param {number} number @param {number} at in the context's seconds */
  #began(number, at) {
    const track = this.#tracks.get(number);
    if (!track || track.replay || !this.#context) return;
    this.on.began((at - this.#context.currentTime) * 1000 + this.#onItsWay());
  }

  /** The last word on what was heard: all that went out, for it cannot be called back. @param {string | null} cleared */
  #cleared(cleared) {
    const at = this.#place;
    if (at) this.on.played(at.item, at.part, at.ms, cleared ?? undefined);
  }

  /** Milliseconds between the audio thread and the ear. */
  #onItsWay() {
    const { outputLatency = 0, baseLatency = 0 } = this.#context ?? {};
    return Math.round((outputLatency + baseLatency) * 1000);
  }
}

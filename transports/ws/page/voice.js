// @ts-check
/** The person's voice: the microphone on and off, held or open, and what of it was said in which turn. */
import { microphoneMessage } from "./messages.js";
import { Microphone, MicrophoneError } from "./microphone.js";
import { Recent } from "./recent.js";
import { peaks } from "./sound.js";

const TAIL = 100; // milliseconds that the microphone is heard after the button is let go: a word's end
const SHORTEST = 150; // milliseconds: what is shorter was no turn

export class Voice {
  /** Whether the person wants to be heard, also when a connection comes back. */
  wanted = false;
  #recent = new Recent();
  /** @type {Map<string, number>} */ #begun = new Map(); // items that are being spoken, by the milliseconds sent before
  /** @type {{since: number, from: number} | null} */ #turn = null; // that is held: when it began, in the page's milliseconds and in those sent
  #said = { from: 0, to: 0 }; // the last turn that was held, in the milliseconds that were sent
  #held = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #tail;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("./settings.js").Settings} settings
   * @param {import("./messages.js").Messages} messages
   * @param {object} on
   * @param {(pairs: Float32Array) => void} on.peaks of 10 ms each
   * @param {(facts: Partial<import("./talk.js").Facts>) => void} on.know
   * @param {() => void} on.start the person wants to be heard, and there is no connection
   * @param {(at: number) => void} on.turn one that was held is complete, and wants an answer; when it was let go, by `performance.now()`
   */
  constructor(connection, settings, messages, on) {
    this.connection = connection;
    this.settings = settings;
    this.messages = messages;
    this.on = on;
    this.microphone = new Microphone(
      (samples) => this.#heard(samples),
      () => this.#lost(),
    );
  }

  /** A new conversation: the server counts from here. */
  begin() {
    this.restart();
    if (this.wanted) void this.start();
  }

  /** The model's server counts anew. @returns {string[]} the items that were half spoken */
  restart() {
    const half = [...this.#begun.keys()];
    this.#begun.clear();
    this.#recent.restart();
    this.#said = { from: 0, to: 0 };
    if (this.#turn) this.#turn.from = 0;
    return half;
  }

  /** Nobody listens any more. */
  end() {
    void this.microphone.stop();
    clearTimeout(this.#tail);
    this.#held = false;
    this.#turn = null;
    this.on.know({ microphone: false, asking: false, held: false, hearing: false });
  }

  async toggle() {
    this.wanted = !this.microphone.wanted;
    if (this.wanted) await this.start();
    else await this.stop();
  }

  /** Take up the choice of another device. */
  changed() {
    if (this.microphone.wanted) void this.start();
  }

  async start() {
    this.messages.hide("microphone");
    this.on.know({ asking: true });
    try {
      const isOn = await this.microphone.start(this.settings.choice);
      if (!isOn) return; // whoever prevented it has said so
      void this.settings.devices();
    } catch (error) {
      this.#cannot(error instanceof MicrophoneError ? error.kind : "busy");
    }
    this.on.know({ microphone: this.microphone.on, asking: false });
  }

  async stop() {
    const wasOn = this.microphone.on;
    this.on.know({ microphone: false, asking: false, hearing: false });
    await this.microphone.stop();
    if (wasOn) this.connection.send({ type: "input_audio_buffer.stopped" });
  }

  /** Push-to-talk begins; or it goes on, if the button was let go only for a moment. */
  async hold() {
    clearTimeout(this.#tail);
    this.#held = true;
    this.#turn ??= { since: performance.now(), from: this.#recent.ms };
    this.on.know({ held: true });
    if (this.microphone.wanted) return;
    this.wanted = true;
    await this.start();
  }

  /** Push-to-talk ends, a little later: the last word does. */
  release() {
    if (!this.#held || !this.#turn) return;
    const now = performance.now();
    this.#held = false;
    this.#tail = setTimeout(() => void this.#complete(now), TAIL);
  }

  /** What was said is a turn, if it was long enough to be one. @param {number} at when it was let go */
  async #complete(at) {
    await this.microphone.flush();
    if (this.#held || !this.#turn) return;
    const { since, from } = this.#turn;
    this.#said = { from, to: this.#recent.ms };
    this.#turn = null;
    this.on.know({ held: false });
    if (Math.min(at - since, this.#said.to - this.#said.from) < SHORTEST) {
      this.connection.send({ type: "input_audio_buffer.clear" });
      return;
    }
    this.connection.send({ type: "input_audio_buffer.commit" });
    this.on.turn(at);
  }

  /** The server hears speech. @param {string} item @param {number} ms */
  begins(item, ms) {
    this.#begun.set(item, ms);
  }

  /** The server has heard its end, or has taken the turn. @param {string} item @param {number} [ms] @returns {Int16Array | null} what was said */
  ends(item, ms = this.#recent.ms) {
    const start = this.#begun.get(item);
    this.#begun.delete(item);
    if (start !== undefined) return this.#recent.between(start, ms);
    return this.settings.manual ? this.#recent.between(this.#said.from, this.#said.to) : null;
  }

  /** 20 ms of the microphone. @param {Int16Array<ArrayBuffer>} samples */
  #heard(samples) {
    this.on.peaks(peaks([samples], 2));
    if (!this.connection.open || (this.settings.manual && !this.#turn)) return;
    this.#recent.add(samples);
    this.connection.sendAudio(samples);
  }

  #lost() {
    this.connection.send({ type: "input_audio_buffer.stopped" });
    this.on.know({ microphone: false, hearing: false });
    this.#cannot("lost");
  }

  /** @param {Parameters<typeof microphoneMessage>[0]} kind */
  #cannot(kind) {
    this.wanted = false;
    this.messages.show("microphone", microphoneMessage(kind, () => this.#again()));
  }

  #again() {
    this.wanted = true;
    if (this.connection.open) void this.start();
    else this.on.start();
  }
}

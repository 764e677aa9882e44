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
  #held = false;
  #since = 0; // when it was held, in the page's milliseconds
  #from = 0; // … and in the milliseconds that were sent

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("./settings.js").Settings} settings
   * @param {import("./messages.js").Messages} messages
   * @param {object} on
   * @param {(pairs: Float32Array) => void} on.peaks of 10 ms each
   * @param {(facts: {microphone?: boolean, held?: boolean, hearing?: boolean}) => void} on.know
   * @param {() => void} on.start the person wants to be heard, and there is no connection
   * @param {() => void} on.spoke a turn was held, and let go
   * @param {() => void} on.turn it is complete, and wants an answer
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
    return half;
  }

  /** Nobody listens any more. */
  end() {
    this.microphone.stop();
    this.#held = false;
    this.on.know({ microphone: false, held: false, hearing: false });
  }

  async toggle() {
    this.wanted = !this.microphone.on;
    if (this.wanted) await this.start();
    else await this.stop();
  }

  /** Take up the choice of another device. */
  changed() {
    if (this.microphone.on) void this.start();
  }

  async start() {
    this.messages.hide("microphone");
    try {
      const isOn = await this.microphone.start(this.settings.choice);
      if (!isOn) return;
      if (!this.connection.open) this.microphone.stop();
      void this.settings.devices();
    } catch (error) {
      this.#cannot(error instanceof MicrophoneError ? error.kind : "busy");
    }
    this.on.know({ microphone: this.microphone.on });
  }

  async stop() {
    await this.microphone.flush();
    this.microphone.stop();
    this.#silent();
  }

  /** Push-to-talk begins. */
  async hold() {
    this.#held = true;
    this.#since = performance.now();
    this.#from = this.#recent.ms;
    this.on.know({ held: true });
    if (this.microphone.on) return;
    this.wanted = true;
    await this.start();
  }

  /** Push-to-talk ends: what was said is a turn, if it was long enough to be one. */
  async release() {
    if (!this.#held) return;
    const held = performance.now() - this.#since;
    this.on.spoke();
    await new Promise((resolve) => setTimeout(resolve, TAIL));
    await this.microphone.flush();
    this.#held = false;
    this.on.know({ held: false });
    if (held < SHORTEST || this.#recent.ms - this.#from < SHORTEST) {
      this.connection.send({ type: "input_audio_buffer.clear" });
      return;
    }
    this.connection.send({ type: "input_audio_buffer.commit" });
    this.on.turn();
  }

  /** The server hears speech. @param {string} item @param {number} ms */
  begins(item, ms) {
    this.#begun.set(item, ms);
  }

  /** The server has heard its end, or has taken the turn. @param {string} item @param {number} [ms] @returns {Int16Array | null} what was said */
  ends(item, ms = this.#recent.ms) {
    const start = this.#begun.get(item) ?? (this.settings.manual ? this.#from : null);
    this.#begun.delete(item);
    return start === null ? null : this.#recent.between(start, ms);
  }

  /** 20 ms of the microphone. @param {Int16Array<ArrayBuffer>} samples */
  #heard(samples) {
    this.on.peaks(peaks([samples], 2));
    if (!this.connection.open || (this.settings.manual && !this.#held)) return;
    this.#recent.add(samples);
    this.connection.sendAudio(samples);
  }

  #lost() {
    this.#silent();
    this.#cannot("lost");
  }

  #silent() {
    this.connection.send({ type: "input_audio_buffer.stopped" });
    this.on.know({ microphone: false, hearing: false });
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

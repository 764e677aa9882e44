// @ts-check
/** The figures at the top: how long it lasts, how soon the answer is heard, how much is used. */
import { clock, get, say, short } from "./page.js";

export class Figures {
  #began = 0;
  #live = false;
  #asked = 0; // when an answer was asked for, until it is heard
  #tokens = { total: 0, input: 0, output: 0 };

  constructor() {
    setInterval(() => this.#live && say(get("clock"), clock(this.now())), 1000);
  }

  /** Seconds since the conversation began. */
  now() {
    return this.#began ? (performance.now() - this.#began) / 1000 : 0;
  }

  /** A new session: what the last one took is no figure of this one. */
  begin() {
    this.#began = performance.now();
    this.#live = true;
    this.#tokens = { total: 0, input: 0, output: 0 };
    get("latency").hidden = get("usage").hidden = true;
    say(get("clock"), clock(0));
  }

  end() {
    this.#live = false;
    this.#asked = 0;
    say(get("clock"), "");
  }

  /** The person has finished, and wants an answer. @param {number} at by `performance.now()` */
  asked(at) {
    this.#asked = at;
  }

  /** The person speaks again. */
  speaks() {
    this.#asked = 0;
  }

  /** The answer begins. @param {number} delay milliseconds until it reaches the ear */
  answered(delay) {
    if (!this.#asked) return;
    const ms = Math.round(performance.now() + delay - this.#asked);
    this.#asked = 0;
    get("latency").hidden = false;
    say(get("latency"), `${ms} ms`);
  }

  /** @param {any} usage of a response */
  used(usage) {
    if (!usage) return;
    const tokens = this.#tokens;
    tokens.total += usage.total_tokens ?? 0;
    tokens.input += usage.input_tokens ?? 0;
    tokens.output += usage.output_tokens ?? 0;
    get("usage").hidden = false;
    say(get("usage"), `${short(tokens.total)} tokens`);
    get("usage").title = `Of this session: ${tokens.input} tokens in, ${tokens.output} out`;
  }
}

// @ts-check
/** What the person writes: sent at once, or as soon as the model is there. */
import { get } from "./page.js";

export class Writing {
  /** @type {string[]} */ #unsent = [];

  /**
   * @param {object} on
   * @param {() => boolean} on.locked whether nothing may be written yet
   * @param {() => void} on.written something waits to be sent
   * @param {(text: string) => void} on.send
   */
  constructor(on) {
    this.on = on;
    get("compose").addEventListener("submit", (/** @type {Event} */ event) => this.#submit(event));
  }

  /** Whether something was written that is still to be sent. */
  get waits() {
    return this.#unsent.length > 0;
  }

  /** The model is there. */
  send() {
    for (const text of this.#unsent.splice(0)) this.on.send(text);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = get("text").value.trim();
    if (!text || this.on.locked()) return;
    get("text").value = "";
    this.#unsent.push(text);
    this.on.written();
  }
}

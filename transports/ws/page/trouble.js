// @ts-check
/** What goes wrong in a conversation, and which of it the person is told. */
import { closeMessage, errorMessage } from "./messages.js";

const PATIENCE = 700; // milliseconds for which a renewed connection is nobody's concern
const RELATED = 2000; // milliseconds after which a close has another reason than the error before it

/** Errors that are races, and need nobody's attention. */
const HARMLESS = new Set([
  "response_cancel_not_active",
  "conversation_already_has_active_response",
  "input_audio_buffer_commit_empty",
  "item_truncate_invalid_item_id",
  "item_delete_invalid_item_id",
]);

export class Trouble {
  /** @type {any} */ #error = null; // the last that may explain a close
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #patience;

  /** @param {import("./messages.js").Messages} messages */
  constructor(messages) {
    this.messages = messages;
  }

  /** An error that the engine speaks of. @param {any} error */
  error(error) {
    if (HARMLESS.has(error.code)) return;
    this.#error = error;
    setTimeout(() => this.#error === error && (this.#error = null), RELATED);
    this.messages.show("error", { ...errorMessage(error, () => {}), act: undefined });
  }

  /** Why the engine has closed the connection. @param {number} code @param {string} reason @param {() => void} again @returns {import("./messages.js").Message} */
  close(code, reason, again) {
    return this.#error ? errorMessage(this.#error, again) : closeMessage(code, reason, again);
  }

  /** The model's connection is lost, or renewed. @param {import("./messages.js").Message} message if it lasts */
  upstreamLost(message) {
    this.stop();
    this.#patience = setTimeout(() => this.messages.show("upstream", message), this.messages.shown ? 0 : PATIENCE);
  }

  upstreamBack() {
    this.stop();
    this.messages.hide("upstream");
  }

  /** Nothing of before counts any more. */
  stop() {
    clearTimeout(this.#patience);
    this.#error = null;
  }
}

// @ts-check
/** Whether the model answers, or is about to. No browser in this file. */

export class Answering {
  /** @type {Set<string>} */ responses = new Set(); // that are under way
  expected = false; // an answer that has not begun

  get now() {
    return this.expected || this.responses.size > 0;
  }

  /** @param {string} response */
  begins(response) {
    this.expected = false;
    this.responses.add(response);
  }

  /** What calls give will be answered. @param {any} response */
  ends({ id, status, output }) {
    this.responses.delete(id);
    this.expected = status === "completed" && Boolean(output?.some((/** @type {any} */ item) => item.type === "function_call"));
  }

  /** Nobody answers any more. */
  stop() {
    this.responses.clear();
    this.expected = false;
  }
}

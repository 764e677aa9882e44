// @ts-check
/**
 * The connection to the engine: one WebSocket to `/ws`, made anew when it is lost, and why when it is not.
 *
 * A browser does not say why a WebSocket failed; a plain GET of the same address does.
 */

const RETRY = 3; // seconds
const MOST_UNSENT = 1 << 20; // bytes of microphone audio: 20 s

const RESTART = 1012;

/** Closes after which another try is worth while. */
const LOST = new Set([1001, 1005, 1006, RESTART]);

/**
 * @typedef {object} About
 * @property {string} [version]
 * @property {string} [upstream]
 * @property {boolean} token_required
 * @property {boolean} signed_in
 * @property {boolean} [recorded]
 * @property {Record<string, string>} [pinned]
 * @property {"all" | "none" | string[]} [may_set]
 */

/** @typedef {{kind: "sign-in" | "full" | "draining" | "refused" | "gone", text: string, seconds?: number}} Failure */

export class Connection {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #wanted = false;

  /**
   * @param {object} on
   * @param {() => void} on.connecting
   * @param {() => void} on.opened
   * @param {(text: string) => void} on.said
   * @param {(text: string | null, bytes: number) => void} on.sent null: microphone audio
   * @param {(code: number, reason: string) => void} on.ended for good
   * @param {(failure: Failure, seconds: number) => void} on.failed another try follows in so many seconds; 0: none
   */
  constructor(on) {
    this.on = on;
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.#timer);
    this.#wanted = true;
    if (this.#socket) return;
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
    let opened = false;
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.on.opened();
    };
    socket.onmessage = ({ data }) => this.on.said(data);
    socket.onclose = ({ code, reason }) => this.#closed(socket, opened, code, reason);
    this.on.connecting();
  }

  /** Part, and try no more. */
  disconnect() {
    clearTimeout(this.#timer);
    this.#wanted = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  /** @param {object} event */
  send(event) {
    if (!this.open) return;
    const text = JSON.stringify(event);
    this.#socket?.send(text);
    this.on.sent(text, text.length);
  }

  /** @param {Int16Array<ArrayBuffer>} samples */
  sendAudio(samples) {
    if (!this.open || !this.#socket) return;
    if (this.#socket.bufferedAmount > MOST_UNSENT) {
      this.#socket.close(4000, "this connection is too slow for the microphone");
      return;
    }
    this.#socket.send(samples);
    this.on.sent(null, samples.byteLength);
  }

  /** @param {WebSocket} socket @param {boolean} opened @param {number} code @param {string} reason */
  async #closed(socket, opened, code, reason) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (opened && !LOST.has(code)) {
      this.on.ended(code, reason);
      return;
    }
    if (opened) {
      this.#retry({ kind: code === RESTART ? "draining" : "gone", text: reason });
      return;
    }
    const failure = await whyNot();
    if (this.#socket || !this.#wanted) return; // somebody was quicker
    if (failure.kind === "gone" || failure.kind === "draining") this.#retry(failure);
    else this.on.failed(failure, 0);
  }

  /** @param {Failure} failure */
  #retry(failure) {
    this.#timer = setTimeout(() => this.connect(), RETRY * 1000);
    this.on.failed(failure, RETRY);
  }
}

/** What the page is told before it connects. @returns {Promise<About | null>} null: the server is gone */
export async function about() {
  try {
    const answer = await fetch("/about", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {string} token @returns {Promise<string>} what is wrong; empty: nothing */
export async function signIn(token) {
  try {
    const answer = await fetch("/sign-in", { method: "POST", body: new URLSearchParams({ token }) });
    return answer.ok ? "" : (await complaint(answer)).message;
  } catch {
    return "The server does not answer. Is it running?";
  }
}

/** @returns {Promise<Failure>} */
async function whyNot() {
  try {
    const answer = await fetch("/ws", { cache: "no-store" });
    const { code, message: text } = await complaint(answer);
    if (answer.status === 401) return { kind: "sign-in", text };
    if (answer.status === 426) return { kind: "gone", text: "" }; // by now it would be let in
    if (answer.status !== 503) return { kind: "refused", text };
    const seconds = Number(answer.headers.get("retry-after")) || RETRY;
    return { kind: code === "draining" ? "draining" : "full", text, seconds };
  } catch {
    return { kind: "gone", text: "" };
  }
}

/** What an answer says that says no. @param {Response} answer @returns {Promise<{code: string, message: string}>} */
async function complaint(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return { code: "", message: `The server answered ${answer.status}.` };
  }
}

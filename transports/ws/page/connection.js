// @ts-check
/**
 * The connection to the engine: one WebSocket to `/ws`, made anew when it is lost, and why when it is not.
 *
 * A browser does not say why a WebSocket failed, nor does it notice when a server is gone without a word; a plain GET
 * tells both. No document in this file, so that Node can test it.
 */

const RETRY = 3; // seconds
const PATIENCE = 10; // seconds for a connection to come about
const SILENCE = 10; // seconds without a word, after which the server is asked whether it is there
const ANSWER = 5; // seconds for its answer
const MOST_UNSENT = 1 << 20; // bytes of microphone audio: 20 s

const SLOW = 4000;
const RESTART = 1012;

/** Closes after which another try is worth while. */
const LOST = new Set([1001, 1005, 1006, RESTART]);

/**
 * @typedef {object} About
 * @property {string} [version]
 * @property {string} [upstream]
 * @property {string | null} [host] the upstream's, if it has an address
 * @property {boolean} token_required
 * @property {boolean} signed_in
 * @property {boolean} [recorded]
 * @property {Record<string, string>} [pinned]
 * @property {"all" | "none" | string[]} [may_set]
 * @property {Record<string, any>} [settings] that every session will have, by path
 */

/** @typedef {{kind: "sign-in" | "full" | "draining" | "refused" | "gone", text: string, seconds?: number}} Failure */

export class Connection {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer; // until another try
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #deadline; // of a connection that is to come about, or to say something
  #wanted = false;
  #said = 0; // messages

  /**
   * @param {object} on
   * @param {() => void} on.connecting
   * @param {() => void} on.opened
   * @param {(text: string) => void} on.said
   * @param {(event: object, bytes: number) => void} on.sent
   * @param {(code: number, reason: string) => void} on.ended for good
   * @param {(failure: Failure, seconds: number) => void} on.failed another try follows in so many seconds; 0: none
   */
  constructor(on) {
    this.on = on;
    addEventListener("offline", () => void this.#ask());
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.#timer);
    this.#wanted = true;
    if (this.#socket) return;
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
    this.#socket = socket;
    this.#deadline = setTimeout(() => {
      this.#drop();
      void this.#failed();
    }, PATIENCE * 1000);
    let opened = false;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#listen();
      this.on.opened();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return; // somebody has parted from it
      this.#said++;
      this.#listen();
      this.on.said(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#drop();
      if (opened) this.#closed(code, reason);
      else void this.#failed();
    };
    this.on.connecting();
  }

  /** Part, and try no more. */
  disconnect() {
    clearTimeout(this.#timer);
    this.#wanted = false;
    this.#drop(1000);
  }

  /** @param {object} event */
  send(event) {
    if (!this.open) return;
    const text = JSON.stringify(event);
    this.#socket?.send(text);
    this.on.sent(event, text.length);
  }

  /** @param {Int16Array<ArrayBuffer>} samples */
  sendAudio(samples) {
    if (!this.open || !this.#socket) return;
    if (this.#socket.bufferedAmount > MOST_UNSENT) {
      this.#drop(SLOW, "this connection is too slow for the microphone");
      this.on.ended(SLOW, "");
      return;
    }
    this.#socket.send(samples);
    this.on.sent({ type: "microphone audio" }, samples.byteLength);
  }

  /** Nothing of this connection counts any more; what the other side says to that is not waited for. @param {number} [code] @param {string} [reason] */
  #drop(code, reason) {
    clearTimeout(this.#deadline);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code, reason);
  }

  /** From now on it must say something, or be asked. */
  #listen() {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => void this.#ask(), SILENCE * 1000);
  }

  /** Ask a server that is silent whether it is there. */
  async #ask() {
    const [socket, said] = [this.#socket, this.#said];
    if (!this.open) return;
    const isThere = await answers();
    if (socket !== this.#socket) return;
    if (isThere || said !== this.#said) {
      this.#listen();
      return;
    }
    this.#drop();
    this.#retry({ kind: "gone", text: "" });
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    if (LOST.has(code)) this.#retry({ kind: code === RESTART ? "draining" : "gone", text: reason });
    else this.on.ended(code, reason);
  }

  /** It has not come about. */
  async #failed() {
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

/** Ask for something, for no longer than one should wait. @param {string} path @param {RequestInit} [more] */
function ask(path, more) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER * 1000), ...more });
}

/** Whether anybody is there, whatever they say. */
async function answers() {
  try {
    await ask("/about");
    return true;
  } catch {
    return false;
  }
}

/** What the page is told before it connects. @returns {Promise<About | null>} null: the server is gone */
export async function about() {
  try {
    const answer = await ask("/about");
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {string} token @returns {Promise<string>} what is wrong; empty: nothing */
export async function signIn(token) {
  try {
    const answer = await ask("/sign-in", { method: "POST", body: new URLSearchParams({ token }) });
    return answer.ok ? "" : (await complaint(answer)).message;
  } catch {
    return "The server does not answer. Is it running?";
  }
}

/** @returns {Promise<Failure>} */
async function whyNot() {
  try {
    const answer = await ask("/ws");
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

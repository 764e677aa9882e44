// @ts-check
/** What the page says when something is wrong: what happened, why, and what to do next. In place, not in a box above it. */
import { get, say, sentence } from "./page.js";

/**
 * @typedef {object} Message
 * @property {string} what
 * @property {string} why and what to do next
 * @property {string} [act] what the button says
 * @property {() => void} [do]
 * @property {number} [seconds] that the button counts
 * @property {() => void} [stop] what hiding it puts an end to
 */

export class Messages {
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;
  /** @type {string} */ #kind = "";
  /** @type {(() => void) | undefined} */ #do;
  /** @type {(() => void) | undefined} */ #stop;

  constructor() {
    get("message-act").addEventListener("click", () => this.#act());
    get("message-hide").addEventListener("click", () => {
      this.hide();
      this.#stop?.();
    });
  }

  get shown() {
    return this.#kind !== "";
  }

  /** @param {string} kind @param {Message} message */
  show(kind, { what, why, act, do: doIt, seconds = 0, stop }) {
    clearInterval(this.#timer);
    this.#kind = kind;
    this.#do = doIt;
    this.#stop = stop;
    say(get("message-hide"), stop ? "Stop trying" : "Hide");
    say(get("message-what"), what);
    say(get("message-why"), why);
    get("message-act").hidden = !act;
    get("message").hidden = false;
    get("message").dataset.kind = kind;
    if (act) this.#count(act, seconds);
  }

  /** @param {string} [kind] only a message of this kind */
  hide(kind) {
    if (kind && kind !== this.#kind) return;
    clearInterval(this.#timer);
    get("message").hidden = true;
    this.#kind = "";
  }

  #act() {
    const doIt = this.#do;
    this.hide();
    doIt?.();
  }

  /** @param {string} act @param {number} seconds */
  #count(act, seconds) {
    let left = Math.ceil(seconds);
    const tell = () => say(get("message-act"), left > 0 ? `${act} (${left} s)` : act);
    tell();
    if (!seconds) return;
    this.#timer = setInterval(() => {
      left -= 1;
      tell();
      if (left <= 0) clearInterval(this.#timer);
    }, 1000);
  }
}

/** How a refused microphone is allowed, in the browser at hand. */
function howToAllow() {
  const agent = navigator.userAgent;
  if (/android/i.test(agent)) return "Tap the icon left of the address, then Permissions, and allow the microphone.";
  if (/iphone|ipad/i.test(agent)) return "Tap the icon left of the address, then Website Settings, and allow the microphone.";
  if (agent.includes("Firefox")) return "Click the crossed-out microphone left of the address and take the block away.";
  if (agent.includes("Chrome")) return "Click the icon left of the address and switch the microphone on.";
  return "Open Settings for This Website in the Safari menu and allow the microphone.";
}

/** @param {"refused" | "missing" | "insecure" | "busy" | "lost"} kind @param {() => void} again @returns {Message} */
export function microphoneMessage(kind, again) {
  const retry = { act: "Try again", do: again };
  switch (kind) {
    case "refused":
      return { what: "The microphone is not allowed", why: `This browser keeps it from this page. ${howToAllow()} Until then you can write.`, ...retry };
    case "missing":
      return { what: "There is no microphone", why: "This browser finds none. Plug one in, or switch it on in the system's settings. Until then you can write.", ...retry };
    case "insecure":
      return {
        what: "No microphone and no sound on this address",
        why: "Browsers give them only to https:// pages and to http://localhost. Open the page that way; whoever runs the server can give it a certificate. Until then you can write, read the answers, and play each with its button.",
      };
    case "lost":
      return { what: "The microphone is gone", why: "It was unplugged or taken by the system. Plug it in again, or choose another one in the settings.", ...retry };
    default:
      return { what: "The microphone cannot be opened", why: "Another program may be using it. Close that one, or choose another microphone in the settings.", ...retry };
  }
}

/** The chosen loudspeaker cannot be used. @returns {Message} */
export function speakerMessage() {
  return { what: "The loudspeaker is gone", why: "It was unplugged or taken by the system, whose own one plays now. Plug it in again, or choose another one in the settings." };
}

/** There is an audio context, and it stands still. @param {() => void} again @returns {Message} */
export function heldBackMessage(again) {
  const why = "The browser or the system has halted them, as it does for a telephone call. Press anywhere, or any key, and they go on.";
  return { what: "Sound and microphone stand still", why, act: "Go on", do: again };
}

/** The connection failed before it was there. @param {import("./connection.js").Failure} failure @param {number} seconds @param {() => void} again @param {() => void} stop @returns {Message} */
export function failureMessage({ kind, text, seconds: wait = 0 }, seconds, again, stop) {
  switch (kind) {
    case "full": {
      const when = wait > 90 ? `about ${Math.ceil(wait / 60)} minutes` : `about ${wait} seconds`;
      return { what: "The server is full", why: `${sentence(text)} A place may be free in ${when}.`, act: "Try again", do: again, seconds: wait };
    }
    case "draining":
      return { what: "The server restarts", why: "It takes no new conversations. This page tries again by itself.", act: "Try now", do: again, seconds, stop };
    case "sign-in":
    case "refused":
      return { what: "The server refused this page", why: `${sentence(text)} Open the page at the address that the server printed when it started.`, act: "Try again", do: again };
    default:
      return { what: "The server does not answer", why: "It may have stopped, or the network is gone. This page tries again by itself.", act: "Try now", do: again, seconds, stop };
  }
}

/** Codes of errors that are known, and what they mean to a person. @type {Record<string, [string, string]>} */
const ERRORS = {
  invalid_api_key: ["The model's server refused the key", "Whoever runs this server must give it a valid key (OPENAI_API_KEY) and start it again."],
  insufficient_quota: ["The account is used up", "The model's server answers no more until whoever runs this server has added credit."],
  rate_limit_exceeded: ["Too many requests", "The model's server asks for a pause. Wait a moment and try again."],
  invalid_model: ["There is no such model", "Whoever runs this server must choose another one (--model)."],
  session_expired: ["The session has expired", "The model's server ends every session after a time. Begin a new one."],
  limit_reached: ["The limit is reached", ""],
  upstream_closed: ["The model cannot be reached", "If it stays so, whoever runs this server must see to it."],
};

/** An error event. @param {any} error @param {() => void} again @param {string} act @returns {Message} */
export function errorMessage(error, again, act = "Start again") {
  const [what, why] = ERRORS[error.code] ?? ["Something went wrong", ""];
  return { what, why: [sentence(error.message), why].filter(Boolean).join(" "), act, do: again };
}

/** The engine connects to the model anew. @param {number} seconds until it tries @param {string} reason @returns {Message} */
export function upstreamMessage(seconds, reason) {
  const when = seconds >= 1 ? `in ${Math.round(seconds)} s` : "now";
  const why = `The server connects again ${when}, and tells the model what was said so far. You need do nothing.`;
  return { what: "The model is not there at the moment", why: [sentence(reason), why].filter(Boolean).join(" ") };
}

/** Speech in a format for telephones. @param {string} format @returns {Message} */
export function formatMessage(format) {
  return { what: "Here one can only write and read", why: `This server has its model speak ${format}, which is for telephones; a page hears and speaks audio/pcm.` };
}

/** The connection was closed by the engine. @param {number} code @param {string} reason @param {() => void} again @returns {Message} */
export function closeMessage(code, reason, again) {
  /** @type {Record<number, [string, string]>} */
  const known = {
    1000: ["The conversation is over", ""],
    1008: ["The conversation was ended", "A limit of this server was reached."],
    1009: ["The conversation was ended", "A message was too large for this server."],
    1011: ["The model cannot be reached", "Something failed between this server and the model."],
    1013: ["The server is too busy", "It could not keep up, or this connection is too slow. Try again in a moment."],
    4000: ["The connection is too slow", "The microphone's sound does not get through in time."],
  };
  const [what, why] = known[code] ?? ["The conversation has ended", `The connection was closed (${code}).`];
  return { what, why: [why, sentence(reason)].filter(Boolean).join(" "), act: "Start again", do: again };
}

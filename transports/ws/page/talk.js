// @ts-check
/**
 * What the talk button says: from what is known of the connection, the microphone and the model, one state.
 *
 * No browser in this file.
 */

/**
 * @typedef {object} Facts
 * @property {boolean} connecting
 * @property {boolean} connected
 * @property {boolean} microphone
 * @property {boolean} asking the browser is asked for the microphone
 * @property {boolean} manual push-to-talk
 * @property {boolean} held the button or the space bar
 * @property {boolean} hearing the person speaks, by the server's word
 * @property {boolean} answering the model is asked, and not done
 * @property {boolean} sounding the answer can be heard
 */

/** @typedef {"off" | "connecting" | "listening" | "muted" | "hearing" | "thinking" | "speaking"} State */

/** @param {Facts} facts @returns {State} */
export function stateOf(facts) {
  if (facts.connecting) return "connecting";
  if (!facts.connected) return "off";
  if (facts.manual ? facts.held && facts.microphone : facts.hearing) return "hearing";
  if (facts.sounding) return "speaking";
  if (facts.answering) return "thinking";
  if (facts.asking && (facts.held || !facts.manual)) return "connecting";
  return facts.microphone || facts.manual ? "listening" : "muted";
}

/** @type {Record<State, string>} */
const WORDS = {
  off: "Start talking",
  connecting: "Connecting",
  listening: "Listening",
  muted: "Microphone off",
  hearing: "Hearing you",
  thinking: "Thinking",
  speaking: "Speaking",
};

/** The state's word. @param {State} state @param {Facts} facts */
export function wordFor(state, { manual, connected }) {
  if (state === "connecting" && connected) return "One moment";
  return manual && state === "listening" ? "Hold to talk" : WORDS[state];
}

/** What the button does in a state, for who cannot see it. @param {State} state @param {boolean} manual @param {boolean} microphone */
export function hintFor(state, manual, microphone) {
  if (state === "off") return "Connects and switches the microphone on.";
  if (state === "connecting") return "Press to give up.";
  if (manual) return "Hold it, or the space bar, while you speak. Enter begins and ends a turn.";
  return microphone ? "Press to switch the microphone off." : "Press to switch the microphone on.";
}

// @ts-check
/** The conversation on the screen: a list item for each turn, drawn again when something about it has changed. */
import { BUCKET } from "./conversation.js";
import { Follower } from "./follow.js";
import { heardText } from "./heard.js";
import { clock, get, icon, make, painter, roomIn, say, takeOut } from "./page.js";
import { drawSmall, showPlayed, smallWaveform } from "./waveform.js";

/** @typedef {import("./conversation.js").Turn} Turn */

const NAMES = { user: "You", assistant: "Model", system: "System", tool: "Tool" };
const SPEAKERS = { user: "you", assistant: "the model", system: "the system", tool: "the tool" };
const CHUNK = 20; // turns that are laid out together, or not at all
const REDRAW = 250; // milliseconds between two drawings of a growing sound
const TOLD = 5; // turns that a screen reader may still be about to say

/**
 * @typedef {object} View
 * @property {any} node
 * @property {any} text
 * @property {any} rest
 * @property {any} cut
 * @property {any} play
 * @property {SVGElement} wave
 * @property {any} length
 * @property {any} tool
 * @property {number} drawn samples of sound in the picture
 * @property {number} drawnAt
 * @property {boolean} told
 */

export class Turns {
  /** @type {Map<Turn, View>} */ #views = new Map();
  /** @type {Set<Turn>} */ #changed = new Set();
  /** @type {Turn | null} */ #playing = null;
  #speaks = false; // whether the model does

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {{play: (turn: Turn) => void, remove: (turn: Turn) => void}} on
   */
  constructor(conversation, on) {
    this.conversation = conversation;
    this.on = on;
    this.list = get("turns");
    this.newest = get("newest");
    this.paint = painter(() => this.#paint());
    this.follower = new Follower(get("scroll"), (following) => (this.newest.hidden = following));
    this.newest.addEventListener("click", () => this.follower.follow());
  }

  /** @param {Turn | null} turn */
  changed(turn) {
    if (!turn) return;
    this.#changed.add(turn);
    this.paint();
  }

  /** @param {Turn} turn */
  removed(turn) {
    const node = this.#views.get(turn)?.node;
    this.#views.delete(turn);
    this.#changed.delete(turn);
    if (!node) return;
    const next = node.nextElementSibling ?? node.previousElementSibling;
    const isFocused = node.contains(document.activeElement);
    takeOut(node);
    this.#tidy();
    if (isFocused) (next?.querySelector(".delete") ?? get("text")).focus(); // whoever deletes goes on from there
  }

  /** A line between what the model remembers and what it does not. */
  divide() {
    this.#paint();
    const last = this.list.lastElementChild?.lastElementChild;
    if (!last || last.className === "divider") return;
    last.after(make("li", { className: "divider" }, "A new conversation. The model does not remember what is above."));
  }

  /** A line with nothing above it divides nothing. */
  #tidy() {
    for (const divider of this.list.querySelectorAll(".divider")) {
      const above = previous(divider);
      if (!above || above.className === "divider") takeOut(divider);
    }
  }

  /** @param {Turn | null} turn that is played again @param {number} ms */
  played(turn, ms = 0) {
    if (this.#playing && this.#playing !== turn) this.#showPlaying(this.#playing, 0, false);
    this.#playing = turn;
    if (turn) this.#showPlaying(turn, ms / (turn.heard ?? turn.ms), true);
  }

  /** Nothing is played again while the model speaks. @param {boolean} speaks */
  modelSpeaks(speaks) {
    this.#speaks = speaks;
    for (const { play } of this.#views.values()) this.#allow(play);
  }

  /** One that may not be pressed keeps the focus, so that nobody who walks by keys loses their place. @param {any} play */
  #allow(play) {
    play.setAttribute("aria-disabled", String(this.#speaks));
    play.title = this.#speaks ? "Not while the model speaks" : "";
  }

  /** @param {Turn} turn @param {number} share @param {boolean} plays */
  #showPlaying(turn, share, plays) {
    const view = this.#views.get(turn);
    if (!view) return;
    showPlayed(view.wave, plays ? share : 0);
    view.play.setAttribute("aria-pressed", String(plays));
    view.play.querySelector("use")?.setAttribute("href", plays ? "#i-stop" : "#i-play");
  }

  #paint() {
    for (const turn of this.#changed) {
      const at = this.conversation.turns.lastIndexOf(turn);
      if (at < 0) continue; // deleted meanwhile
      let view = this.#views.get(turn);
      if (!view) this.#views.set(turn, (view = this.#make(turn)));
      this.#put(turn, at, view.node);
      this.#show(turn, view);
    }
    this.#changed.clear();
    return () => this.follower.grown();
  }

  /** @param {Turn} turn @param {number} at its place @param {any} node */
  #put(turn, at, node) {
    const { turns } = this.conversation;
    let last = at - 1;
    while (last >= 0 && !this.#views.has(turns[last])) last--; // those come in between in a moment
    const before = this.#views.get(turns[last])?.node ?? null;
    if (node.isConnected && neighbour(node) === before) return;
    if (!before) {
      (this.list.firstElementChild ?? roomIn(this.list, CHUNK)).prepend(node);
      return;
    }
    const divider = before.nextElementSibling?.className === "divider" && !turn.old ? before.nextElementSibling : null;
    const above = divider ?? before;
    if (above === this.list.lastElementChild.lastElementChild) roomIn(this.list, CHUNK).append(node);
    else above.after(node);
  }

  /** @param {Turn} turn @returns {View} */
  #make(turn) {
    const text = make("span");
    const rest = make("span", { className: "partial" });
    const cut = make("p", { className: "cut", hidden: true }, icon("cut"), make("span"));
    const wave = smallWaveform();
    const length = make("span", { className: "length" });
    const play = make("button", { type: "button", className: "play", hidden: true }, icon("play"), wave, length);
    const remove = make("button", { type: "button", className: "icon delete", title: "Delete" }, icon("delete"), make("span", { className: "sr" }, `Delete what ${SPEAKERS[turn.who]} said`));
    const tool = turn.who === "tool" ? makeTool() : null;
    const body = tool ? tool.node : make("p", { className: "text" }, text, rest);
    const node = make(
      "li",
      { className: `turn ${turn.who}` },
      make("div", { className: "who" }, make("b", {}, NAMES[turn.who]), make("time", {}, clock(turn.at))),
      make("div", { className: "said" }, body, cut),
      make("div", { className: "acts" }, play, remove),
    );
    this.#allow(play);
    play.addEventListener("click", () => this.on.play(turn));
    remove.addEventListener("click", () => this.on.remove(turn));
    return { node, text, rest, cut, play, wave, length, tool, drawn: -1, drawnAt: 0, told: false };
  }

  /** @param {Turn} turn @param {View} view */
  #show(turn, view) {
    if (turn.call) {
      showTool(view.tool, turn.call, turn.done);
    } else {
      const words = heardText(turn);
      const isSettled = turn.final || turn.heard !== null;
      say(view.text, isSettled ? words : "");
      say(view.rest, isSettled ? (words ? "" : wordless(turn)) : words || "…");
    }
    view.node.classList.toggle("old", turn.old);
    view.cut.hidden = turn.heard === null;
    if (turn.heard !== null) say(view.cut.lastChild, `heard ${seconds(turn.heard)} of ${seconds(turn.ms)} s`);
    this.#showSound(turn, view);
    this.#tell(turn, view);
  }

  /** @param {Turn} turn @param {View} view */
  #showSound(turn, view) {
    const samples = turn.audio ? Math.round((turn.heard ?? turn.ms) * 24) : 0;
    view.play.hidden = !samples;
    if (samples === view.drawn) return;
    const now = performance.now();
    if (samples && now - view.drawnAt < REDRAW && !turn.done) {
      setTimeout(() => this.changed(turn), REDRAW);
      return;
    }
    view.drawn = samples;
    view.drawnAt = now;
    say(view.length, `${seconds(samples / 24)} s`);
    view.play.setAttribute("aria-label", `Play again what ${SPEAKERS[turn.who]} said, ${seconds(samples / 24)} s`);
    if (samples) drawSmall(view.wave, turn.peaks, samples / BUCKET);
  }

  /** Say a finished turn, once, to whoever hears the page. @param {Turn} turn @param {View} view */
  #tell(turn, view) {
    if (view.told || turn.old || !(turn.final || turn.heard !== null) || !turn.done) return;
    view.told = true;
    const words = turn.call ? `${turn.call.name} gave ${turn.call.output ?? "no result"}` : heardText(turn) || wordless(turn);
    const spoken = get("spoken");
    spoken.append(make("p", {}, `${NAMES[turn.who]}: ${words}${turn.heard === null ? "" : " (interrupted)"}`));
    if (spoken.childElementCount > TOLD) spoken.firstElementChild.remove();
  }
}

/** What stands above, over the ends of lists. @param {any} node @returns {any} */
function previous(node) {
  return node.previousElementSibling ?? node.parentElement.previousElementSibling?.lastElementChild ?? null;
}

/** The turn above. @param {any} node @returns {any} */
function neighbour(node) {
  const above = previous(node);
  return above?.className === "divider" ? neighbour(above) : above;
}

/** @param {Turn} turn */
function wordless(turn) {
  if (!turn.spoken) return "";
  return turn.who === "user" ? "Spoken, without a transcript" : "…";
}

/** @param {number} ms */
function seconds(ms) {
  return (ms / 1000).toFixed(1);
}

function makeTool() {
  const summary = make("summary", {}, make("code"), make("span", { className: "took" }));
  const given = make("pre");
  const got = make("pre");
  const node = make("details", { className: "tool" }, summary, make("p", { className: "part-of" }, "Arguments"), given, make("p", { className: "part-of" }, "Result"), got);
  return { node, name: summary.firstChild, took: summary.lastChild, given, got };
}

/** @param {any} view @param {import("./conversation.js").Call} call @param {boolean} done whether nothing more comes of it */
function showTool(view, call, done) {
  say(view.name, `${call.name}(${call.arguments === "{}" ? "" : brief(call.arguments)})`);
  say(view.took, call.failed ? "failed" : call.output !== null ? took(call.took) : done ? "no result" : "running");
  say(view.given, pretty(call.arguments));
  say(view.got, call.output === null ? (done ? "none" : "none yet") : pretty(call.output));
}

/** @param {number | null} passed seconds */
function took(passed) {
  if (passed === null) return "";
  return passed < 1 ? `${Math.round(passed * 1000)} ms` : `${passed.toFixed(1)} s`;
}

/** The values of the arguments, as a call is written. @param {string} text */
function brief(text) {
  try {
    const values = Object.values(JSON.parse(text)).map((value) => JSON.stringify(value));
    return values.join(", ").slice(0, 80);
  } catch {
    return text.slice(0, 80);
  }
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// @ts-check
/** The inspector: everything that the page and the engine say to each other, in rows that open. */
import { Follower } from "./follow.js";
import { copy, get, make, painter, roomIn, say, short, size, takeOut } from "./page.js";
import { MOST, Runs, lines, shown } from "./runs.js";

/** @typedef {import("./runs.js").Row} Row */

const OPEN = 20; // events that an open row shows, newest
const CHUNK = 50; // rows that are laid out together, or not at all

export class Inspector {
  runs = new Runs();
  /** @type {Map<Row, any>} */ #nodes = new Map();
  /** @type {Set<Row>} */ #changed = new Set();
  #paused = false;

  constructor() {
    this.list = get("rows");
    this.paint = painter(() => this.#paint());
    this.filter = { text: "", hideAudio: false, onlyErrors: false };
    get("filter").addEventListener("input", (/** @type {any} */ event) => this.#select({ text: event.target.value.trim() }));
    get("filter").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#leave(event));
    get("hide-audio").addEventListener("change", (/** @type {any} */ event) => this.#select({ hideAudio: event.target.checked }));
    get("only-errors").addEventListener("change", (/** @type {any} */ event) => this.#select({ onlyErrors: event.target.checked }));
    get("pause").addEventListener("click", () => this.#pause());
    get("copy").addEventListener("click", () => this.#copy());
    get("save").addEventListener("click", () => this.#save());
    this.list.addEventListener("click", (/** @type {any} */ event) => this.#clicked(event));
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#walk(event));
    this.follower = new Follower(this.list);
    this.#count();
  }

  /** Esc takes the text of the filter away, in every browser, and nothing else. @param {KeyboardEvent} event */
  #leave(event) {
    if (event.key !== "Escape" || !get("filter").value) return;
    event.preventDefault();
    get("filter").value = "";
    this.#select({ text: "" });
  }

  /** A new session, whose times begin anew. */
  begin() {
    if (this.runs.rows.length) this.add(0, "page", { type: "a new session", began: new Date().toISOString() }, 0);
  }

  /** @param {number} at seconds @param {import("./runs.js").Way} way @param {any} event @param {number} bytes */
  add(at, way, event, bytes) {
    const { row, gone } = this.runs.add(at, way, event, bytes);
    this.#changed.add(row);
    for (const each of gone) {
      this.#remove(this.#nodes.get(each));
      this.#nodes.delete(each);
      this.#changed.delete(each);
    }
    if (!this.#paused) this.paint();
  }

  /** @param {any} node */
  #remove(node) {
    if (!node) return;
    const held = node.firstChild.tabIndex === 0;
    takeOut(node);
    if (held) this.#rove(this.list.querySelector("li:not([hidden]) > .row"));
  }

  #paint() {
    for (const row of this.#changed) {
      let node = this.#nodes.get(row);
      if (!node) {
        this.#nodes.set(row, (node = makeRow(row)));
        roomIn(this.list, CHUNK).append(node);
        if (this.#nodes.size === 1) node.firstChild.tabIndex = 0;
      }
      this.#show(row, node);
    }
    this.#changed.clear();
    this.#count();
    return () => this.follower.grown();
  }

  /** @param {Row} row @param {any} node */
  #show(row, node) {
    const [, , type, count, bytes] = node.firstChild.children;
    const length = row.bytes ? size(row.bytes) : "";
    say(count, row.count > 1 ? `×${row.count}` : "");
    say(bytes, length);
    type.title = length ? `${row.type}, ${length}` : row.type;
    node.hidden = !shown(row, this.filter);
    if (node.childElementCount > 1) this.#fill(row, node);
  }

  #count() {
    const { runs } = this;
    get("no-rows").hidden = runs.rows.length > 0;
    const forgotten = runs.forgotten ? `, ${short(runs.forgotten)} older ones are gone` : "";
    say(get("kept"), this.#paused ? `Paused: ${this.#changed.size} rows wait` : `The newest ${MOST.toLocaleString("en")} events are kept${forgotten}`);
  }

  /** @param {Partial<typeof this.filter>} change */
  #select(change) {
    Object.assign(this.filter, change);
    for (const [row, node] of this.#nodes) node.hidden = !shown(row, this.filter);
    this.#rove(this.#visible().at(-1));
    this.follower.grown();
  }

  #pause() {
    this.#paused = !this.#paused;
    get("pause").setAttribute("aria-pressed", String(this.#paused));
    say(get("pause"), this.#paused ? "Go on" : "Pause");
    this.#count();
    if (!this.#paused) this.paint();
  }

  async #copy() {
    await copy(this.#text());
    flash(get("copy"), "Copied");
  }

  #save() {
    const url = URL.createObjectURL(new Blob([this.#text()], { type: "application/jsonl" }));
    make("a", { href: url, download: `events-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /** What is shown, as JSON lines. */
  #text() {
    const text = lines(this.runs.rows.filter((row) => shown(row, this.filter))).join("\n");
    return text && `${text}\n`;
  }

  /** @param {any} event */
  #clicked(event) {
    const copies = event.target.closest(".copy");
    if (copies) {
      void copy(copies.parentElement.lastChild.textContent).then(() => flash(copies, "Copied"));
      return;
    }
    const button = event.target.closest(".row");
    if (button) this.#toggle(button);
  }

  /** @param {any} button */
  #toggle(button) {
    const node = button.parentElement;
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    this.#rove(button);
    if (isOpen) node.lastChild.remove();
    else this.#open(node);
  }

  /** @param {any} node */
  #open(node) {
    node.append(make("div", { className: "json" }));
    for (const [row, each] of this.#nodes) if (each === node) this.#fill(row, node);
  }

  /** @param {Row} row @param {any} node */
  #fill(row, node) {
    const box = node.lastChild;
    const events = row.events.slice(-OPEN);
    const told = row.count > events.length ? `The newest ${events.length} of ${row.count}` : "";
    const isNew = !box.childElementCount;
    if (isNew) box.append(make("button", { type: "button", className: "copy" }, "Copy"), make("p"), make("pre"));
    say(box.children[1], told);
    if (box.drawn === row.count) return;
    box.drawn = row.count;
    box.lastChild.replaceChildren(...events.flatMap((text, n) => [...(n ? ["\n\n"] : []), ...coloured(text)]));
  }

  /** Up and down, begin and end, from row to row. @param {KeyboardEvent} event */
  #walk(event) {
    const rows = this.#visible();
    const now = rows.indexOf(/** @type {any} */ (event.target));
    /** @type {Record<string, number>} */
    const places = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1 };
    const to = rows[places[event.key]];
    if (now < 0 || !to) return;
    event.preventDefault();
    this.#rove(to);
    /** @type {any} */ (to).focus();
  }

  #visible() {
    return [...this.list.querySelectorAll("li:not([hidden]) > .row")];
  }

  /** One row at a time is in the order of the tab key. @param {any} button */
  #rove(button) {
    if (!button) return;
    for (const each of this.list.querySelectorAll(".row[tabindex='0']")) each.tabIndex = -1;
    button.tabIndex = 0;
  }
}

const WAYS = { up: ["↑", "sent"], down: ["↓", "received"], page: ["–", "here"] };

/** @param {Row} row */
function makeRow(row) {
  const [sign, way] = WAYS[row.way];
  const split = row.type.lastIndexOf(".") + 1;
  const button = make(
    "button",
    { type: "button", className: "row", tabIndex: -1, "aria-expanded": "false" },
    make("span", { className: "at" }, row.at.toFixed(2)),
    make("span", { className: "way" }, make("span", { "aria-hidden": "true" }, sign), make("span", { className: "sr" }, way)),
    make("span", { className: "type" }, make("bdi", {}, make("span", { className: "family" }, row.type.slice(0, split)), row.type.slice(split))),
    make("span", { className: "count" }),
    make("span", { className: "bytes" }),
  );
  return make("li", { className: `${row.way}${row.failed ? " failed" : ""}` }, button);
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;

/** JSON, indented, as text with its kinds marked. @param {string} text @returns {(Node | string)[]} */
function coloured(text) {
  const json = JSON.stringify(JSON.parse(text), null, 2);
  const parts = [];
  let end = 0;
  for (const match of json.matchAll(TOKEN)) {
    parts.push(json.slice(end, match.index));
    const [whole, string, colon] = match;
    const className = colon ? "key" : string ? "string" : "value";
    parts.push(make("span", { className }, string ?? whole), colon ?? "");
    end = match.index + whole.length;
  }
  parts.push(json.slice(end));
  return parts;
}

/** A button says for a moment what it did. @param {any} button @param {string} text */
function flash(button, text) {
  const before = button.dataset.word ?? button.textContent;
  button.dataset.word = before;
  say(button, text);
  setTimeout(() => say(button, before), 1500);
}

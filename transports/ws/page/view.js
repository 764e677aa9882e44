// @ts-check
/** The frame of the page: which part is seen, light or dark, the facts at the top. It knows nothing of a conversation. */
import { get, recall, remember, say } from "./page.js";

const wide = matchMedia("(min-width: 960px)");

export class View {
  #opener = "talk"; // where the focus goes from settings that are closed

  constructor() {
    this.body = document.body;
    this.#setEvents(recall("events") !== "off");
    get("show-events").addEventListener("click", () => this.toggleEvents());
    get("show-settings").addEventListener("click", (/** @type {MouseEvent} */ event) => this.#toggleSettings(event));
    get("hide-settings").addEventListener("click", () => this.settings(false));
    get("show-keys").addEventListener("click", () => this.keys());
    get("theme").addEventListener("click", () => this.#theme());
    for (const tab of this.#tabs()) {
      tab.addEventListener("click", () => this.tab(tab.id.slice(4)));
      tab.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#walk(tab, event));
    }
    wide.addEventListener("change", () => this.#roles());
    this.#roles();
  }

  /** Events beside the conversation, where settings take their place, or on a phone in its place. */
  toggleEvents() {
    if (wide.matches) {
      this.#setEvents(this.body.dataset.events !== "on" || this.body.dataset.settings === "on");
      this.settings(false);
      remember("events", this.body.dataset.events ?? "on");
    } else {
      this.tab(this.body.dataset.tab === "events" ? "talk" : "events");
    }
  }

  /** @param {boolean} on */
  settings(on) {
    const isLeft = !on && get("settings").contains(document.activeElement);
    if (wide.matches) {
      this.body.dataset.settings = on ? "on" : "off";
      get("show-settings").setAttribute("aria-expanded", String(on));
      if (on) get("settings").focus();
    } else {
      this.tab(on ? "settings" : "talk");
    }
    if (isLeft) get(wide.matches ? this.#opener : "tab-talk").focus();
  }

  /** Close whatever lies over the conversation. @returns {boolean} whether there was something */
  close() {
    if (wide.matches ? this.body.dataset.settings === "on" : this.body.dataset.tab === "settings") {
      this.settings(false);
      return true;
    }
    return false;
  }

  keys() {
    get("keys").showModal();
  }

  /** @param {string} name */
  tab(name) {
    this.body.dataset.tab = name;
    for (const tab of this.#tabs()) {
      const isIt = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
    }
  }

  /** The first visit is over: the conversation takes the middle. */
  begin() {
    this.body.dataset.stage = "talk";
  }

  /** @param {string} state @param {string} word @param {string} hint @param {boolean} manual */
  state(state, word, hint, manual) {
    this.body.dataset.state = state;
    get("talk-icon").setAttribute("href", `#i-${state}`);
    say(get("state"), word);
    say(get("talk-name"), word);
    say(get("talk-hint"), hint);
    get("talk").toggleAttribute("data-manual", manual);
  }

  /** @param {number} level 0 to 1 */
  level(level) {
    get("ring").style.setProperty("--level", level.toFixed(2));
  }

  /** Who opens them by keys goes on from there; a click asks for nothing more than that space talks. @param {MouseEvent} event */
  #toggleSettings(event) {
    this.#opener = event.detail === 0 ? "show-settings" : "talk";
    this.settings(this.body.dataset.settings !== "on");
  }

  /** @returns {any[]} */
  #tabs() {
    return [...document.querySelectorAll("[role=tab]")];
  }

  /** On a phone the parts are panels of the tabs. */
  #roles() {
    for (const [panel, tab] of [["conversation", "talk"], ["events", "events"], ["settings", "settings"]]) {
      const element = get(panel);
      if (wide.matches) element.removeAttribute("role");
      else element.setAttribute("role", "tabpanel");
      if (wide.matches) continue;
      element.setAttribute("aria-labelledby", `tab-${tab}`);
    }
  }

  /** @param {any} tab @param {KeyboardEvent} event */
  #walk(tab, event) {
    const tabs = this.#tabs();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    this.tab(next.id.slice(4));
    next.focus();
  }

  /** @param {boolean} on */
  #setEvents(on) {
    this.body.dataset.events = on ? "on" : "off";
    get("show-events").setAttribute("aria-pressed", String(on));
  }

  #theme() {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    remember("theme", root.dataset.theme);
    document.dispatchEvent(new Event("theme"));
  }
}

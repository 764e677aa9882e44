// @ts-check
/** What is known before anybody talks: who answers, where the voice goes, and whether a token is asked for. */
import { about, signIn } from "./connection.js";
import { get, say } from "./page.js";

export class Entrance {
  /** Whether the server lets nobody in without its token. */
  locked = false;
  /** @type {Partial<import("./connection.js").About>} */ #server = {};

  /**
   * @param {object} on
   * @param {(server: import("./connection.js").About) => void} on.known the server has said who it is
   * @param {() => void} on.signedIn somebody is let in who was not
   */
  constructor(on) {
    this.on = on;
    get("sign-in").addEventListener("submit", (/** @type {Event} */ event) => void this.#signIn(event));
  }

  /** Ask the server. */
  async learn() {
    const server = await about();
    if (!server) return;
    this.locked = server.token_required && !server.signed_in;
    get("sign-in").hidden = !this.locked;
    document.body.toggleAttribute("data-locked", this.locked);
    if (this.locked) return;
    this.#server = server;
    if (server.version) say(get("version"), `Realtime engine ${server.version}`);
    get("recorded").hidden = !server.recorded;
    if (server.upstream) this.answers(server.upstream);
    this.on.known(server);
  }

  /** Somebody wants to talk, and must sign in first. */
  ask() {
    get("token").focus();
  }

  /** @param {string} name of the upstream */
  answers(name) {
    const host = name === this.#server.upstream ? this.#server.host : null;
    const isInside = name === "local";
    say(get("upstream"), isInside ? "embedded model" : host ?? name);
    const model = isInside ? "the model that is embedded in it" : host ? `the model at ${host}` : `the model behind it (${name})`;
    const recorded = get("recorded").hidden ? "" : " The conversation is recorded there.";
    say(get("where"), `Your voice goes to ${location.host} and from there to ${model}.${recorded}`);
  }

  /** @param {Event} event */
  async #signIn(event) {
    event.preventDefault();
    const problem = await signIn(get("token").value);
    say(get("sign-in-problem"), problem);
    if (problem) {
      get("token").select();
      return;
    }
    get("token").value = "";
    await this.learn();
    get("talk").focus();
    this.on.signedIn();
  }
}

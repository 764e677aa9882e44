// @ts-check
/** The stage: the talk button and the waveforms beside it. What is known decides what they show. */
import { get, say } from "./page.js";
import { level } from "./sound.js";
import { hintFor, stateOf, wordFor } from "./talk.js";
import { LiveWaveform } from "./waveform.js";

export class Stage {
  /** @type {import("./talk.js").Facts} */
  facts = {
    ...{ connecting: false, connected: false, microphone: false, asking: false },
    ...{ manual: false, held: false, hearing: false, answering: false, sounding: false },
  };
  you = new LiveWaveform(get("wave-you"));
  model = new LiveWaveform(get("wave-model"));

  /** @param {import("./view.js").View} view @param {import("./answering.js").Answering} answering */
  constructor(view, answering) {
    this.view = view;
    this.answering = answering;
    for (const change of ["theme", "visibilitychange"]) document.addEventListener(change, () => this.#redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** Something is known now; the rest follows. @param {Partial<import("./talk.js").Facts>} [news] */
  know(news) {
    Object.assign(this.facts, news);
    this.facts.answering = this.answering.now;
    const state = stateOf(this.facts);
    const { connected, connecting, manual, microphone, asking, sounding, answering } = this.facts;
    this.view.state(state, wordFor(state, this.facts), hintFor(state, manual, microphone), manual && connected);
    get("end").disabled = !connected && !connecting;
    get("interrupt").disabled = !sounding && !answering;
    get("mic").setAttribute("aria-pressed", String(microphone || asking));
    get("mic-icon").setAttribute("href", microphone || asking ? "#i-listening" : "#i-muted");
    get("live").toggleAttribute("data-on", connected);
    say(get("live-word"), connected ? "live" : connecting ? "connecting" : "not connected");
    if (!this.#heard) this.view.level(0);
  }

  /** @param {"you" | "model"} who @param {ArrayLike<number>} pairs of peaks */
  loud(who, pairs) {
    this[who].push(pairs);
    if (who === this.#heard) this.view.level(level(pairs));
  }

  /** Whom the ring follows. */
  get #heard() {
    const { sounding, microphone } = this.facts;
    if (sounding) return "model";
    return microphone ? "you" : null;
  }

  #redraw() {
    this.you.refresh();
    this.model.refresh();
  }
}

// @ts-check
/** The talk button and the keys: what is pressed, held and let go. What follows from it is somebody else's business. */
import { get } from "./page.js";

const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]";
const USES_SPACE = "button:not(#talk), summary, input, textarea, select, a";

/**
 * @param {object} on
 * @param {() => boolean} on.manual whether the button is held rather than pressed
 * @param {() => void} on.press
 * @param {() => void} on.hold
 * @param {() => void} on.release
 */
export function wireTalk(on) {
  const talk = get("talk");
  let held = "";

  const down = (/** @type {string} */ by) => {
    if (held) return;
    held = by;
    if (on.manual()) on.hold();
  };
  const up = (/** @type {string} */ by) => {
    if (held !== by) return;
    held = "";
    on.release();
  };

  talk.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    talk.setPointerCapture(event.pointerId);
    down("pointer");
  });
  for (const end of ["pointerup", "pointercancel"]) talk.addEventListener(end, () => up("pointer"));
  talk.addEventListener("contextmenu", (/** @type {Event} */ event) => event.preventDefault());
  talk.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (!on.manual()) on.press();
    else if (event.detail === 0) held === "enter" ? up("enter") : down("enter"); // by a key, or by a screen reader
  });
  document.addEventListener("keydown", (event) => {
    if (!isSpace(event) || event.defaultPrevented) return;
    event.preventDefault();
    if (event.repeat) return;
    if (on.manual()) down("space");
    else on.press();
  });
  document.addEventListener("keyup", (event) => {
    if (!isSpace(event) && held !== "space") return;
    if (event.code !== "Space") return;
    event.preventDefault(); // the button would be pressed as well
    up("space");
  });
  window.addEventListener("blur", () => held && up(held)); // the key's release goes to somebody else
}

/** @param {KeyboardEvent} event */
function isSpace(event) {
  const target = /** @type {Element} */ (event.target);
  const isFree = !target.closest(USES_SPACE) && !document.querySelector("dialog[open]");
  return event.code === "Space" && isFree && !event.ctrlKey && !event.altKey && !event.metaKey;
}

/** Single keys, outside of text. @param {Record<string, () => void>} actions by `event.key` @param {() => void} escape */
export function wireKeys(actions, escape) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      escape();
      return;
    }
    const target = /** @type {Element} */ (event.target);
    const action = actions[event.key];
    if (!action || event.repeat || target.closest(TYPED)) return;
    event.preventDefault();
    action();
  });
}

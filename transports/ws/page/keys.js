// @ts-check
/** The talk button and the keys: what is pressed, held and let go. What follows from it is somebody else's business. */
import { get } from "./page.js";

const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]";
const PRESSED = "button:not(#talk), summary, input, a";
const WALKS = new Set(["Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"]);

/**
 * @param {object} on
 * @param {() => boolean} on.manual whether the button is held rather than pressed
 * @param {() => void} on.press
 * @param {() => void} on.hold
 * @param {() => void} on.release
 */
export function wireTalk(on) {
  const talk = get("talk");
  const walked = watchFocus();
  let held = "";

  const isSpace = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const isTaken = target.closest(TYPED) || (walked() && target.closest(PRESSED)) || document.querySelector("dialog[open]");
    return event.code === "Space" && !isTaken && !event.ctrlKey && !event.altKey && !event.metaKey;
  };

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
    if (document.activeElement?.matches(PRESSED)) talk.focus(); // the ring is drawn round what is pressed
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

/**
 * Whether keys have brought the focus where it is, rather than the pointer: who walks there presses by space what they
 * have come to, and who has clicked is done with it, until an arrow leads on to the next choice of a group. Browsers draw
 * the ring at any key, so `:focus-visible` tells nothing.
 * @returns {() => boolean}
 */
function watchFocus() {
  let [isWalked, walks] = [true, false];
  document.addEventListener("keydown", ({ key }) => (walks = WALKS.has(key)), true);
  document.addEventListener("pointerdown", () => (isWalked = walks = false), true);
  document.addEventListener("focusin", () => (isWalked ||= walks));
  return () => isWalked;
}

/** Single keys, outside of text. @param {Record<string, () => void>} actions by `event.key` @param {() => void} escape */
export function wireKeys(actions, escape) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
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

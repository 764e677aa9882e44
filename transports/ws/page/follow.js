// @ts-check
/** A list that grows at its end, and stays there until somebody scrolls up. */

const NEAR = 48; // pixels from the end that still count as the end
const CLICK = 100; // milliseconds after a finger has left within which its click comes

export class Follower {
  following = true;
  #top = 0;
  #height = 0;
  #pressed = false;
  #released = 0; // timer

  /** @param {HTMLElement} scroller @param {(following: boolean) => void} [changed] */
  constructor(scroller, changed) {
    this.scroller = scroller;
    this.changed = changed;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.grown()).observe(scroller); // it is seen again, or shows less
    scroller.addEventListener("pointerdown", (event) => this.#press(event));
    for (const end of ["pointerup", "pointercancel", "contextmenu"]) {
      scroller.ownerDocument.addEventListener(end, () => this.#release());
    }
  }

  /** The list has grown. */
  grown() {
    if (!this.following || this.#pressed) return;
    this.scroller.scrollTop = 1e9;
    this.#stands();
  }

  /** Go to the end, and stay there. */
  follow() {
    this.#set(true);
    this.grown();
  }

  /** Lists that are laid out only when they are seen change their height too; only a way up without that is a person's. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const isUp = scrollTop < this.#top - 1 && scrollHeight >= this.#height;
    this.#stands();
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#set(true);
    else if (isUp) this.#set(false);
    else this.grown();
  }

  #stands() {
    this.#top = this.scroller.scrollTop;
    this.#height = this.scroller.scrollHeight;
  }

  /** What is pressed is clicked only if it is still there when the button comes up. @param {PointerEvent} event */
  #press(event) {
    if (event.target === this.scroller) return; // its scrollbar, whose release is not told
    clearTimeout(this.#released);
    this.#pressed = true;
  }

  #release() {
    if (!this.#pressed) return;
    clearTimeout(this.#released);
    this.#released = setTimeout(() => {
      this.#pressed = false;
      this.grown();
    }, CLICK);
  }

  /** @param {boolean} following */
  #set(following) {
    if (this.following === following) return;
    this.following = following;
    this.changed?.(following);
  }
}

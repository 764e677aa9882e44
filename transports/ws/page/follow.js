// @ts-check
/** A list that grows at its end, and stays there until somebody scrolls up. */

const NEAR = 48; // pixels from the end that still count as the end

export class Follower {
  following = true;
  #top = 0;
  #height = 0;

  /** @param {HTMLElement} scroller @param {(following: boolean) => void} [changed] */
  constructor(scroller, changed) {
    this.scroller = scroller;
    this.changed = changed;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** The list has grown. */
  grown() {
    if (this.following) this.scroller.scrollTop = 1e9;
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
    this.#top = scrollTop;
    this.#height = scrollHeight;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#set(true);
    else if (isUp) this.#set(false);
    else this.grown();
  }

  /** @param {boolean} following */
  #set(following) {
    if (this.following === following) return;
    this.following = following;
    this.changed?.(following);
  }
}

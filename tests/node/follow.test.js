import assert from "node:assert/strict";
import { test } from "node:test";
import { Follower } from "./follow.js";

/** A scroller of 100 pixels' height, whose content and place a test sets. */
class Scroller extends EventTarget {
  ownerDocument = new EventTarget();
  clientHeight = 100;
  scrollHeight = 100;
  #top = 0;

  get scrollTop() {
    return this.#top;
  }

  set scrollTop(top) {
    this.#top = Math.max(0, Math.min(top, this.scrollHeight - this.clientHeight));
  }

  moves(top, height = this.scrollHeight) {
    this.scrollHeight = height;
    this.scrollTop = top;
    this.dispatchEvent(new Event("scroll"));
  }
}

let resized;
globalThis.ResizeObserver = class {
  constructor(seen) {
    resized = seen;
  }

  observe() {}
};

const following = () => {
  const scroller = new Scroller();
  const follower = new Follower(scroller);
  scroller.scrollHeight = 1000;
  follower.grown();
  scroller.moves(900);
  return { scroller, follower };
};

test("a list that grows stays at its end", () => {
  const { scroller, follower } = following();
  scroller.scrollHeight = 2000;
  follower.grown();

  assert.equal(scroller.scrollTop, 1900);
});

test("a list that has grown while nobody saw it, or shows less, is at its end", () => {
  const { scroller } = following();
  scroller.scrollHeight = 2000;
  resized();
  assert.equal(scroller.scrollTop, 1900);

  scroller.clientHeight = 60;
  resized();
  assert.equal(scroller.scrollTop, 1940);
});

test("whoever scrolls up stays there until they come back to the end", () => {
  const { scroller, follower } = following();
  scroller.moves(300);
  scroller.scrollHeight = 2000;
  follower.grown();
  assert.deepEqual([scroller.scrollTop, follower.following], [300, false]);

  scroller.moves(1890);
  scroller.scrollHeight = 3000;
  follower.grown();
  assert.equal(scroller.scrollTop, 2900);
});

test("a list whose height turns out to be another is no person scrolling", () => {
  const { scroller, follower } = following();
  scroller.moves(500, 800);
  assert.deepEqual([scroller.scrollTop, follower.following], [700, true]);

  scroller.moves(700, 1500);
  assert.deepEqual([scroller.scrollTop, follower.following], [1400, true]);
});

test("a way up that comes before the list has told of its own way down is a person's", () => {
  const { scroller, follower } = following();
  scroller.scrollHeight = 2000;
  follower.grown();
  scroller.moves(1200);

  assert.deepEqual([scroller.scrollTop, follower.following], [1200, false]);
});

test("nothing moves under a pointer that is down, until its click has come", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { scroller, follower } = following();
  const grows = () => {
    scroller.scrollHeight += 1000;
    follower.grown();
    return scroller.scrollTop;
  };
  const pressed = Object.defineProperty(new Event("pointerdown"), "target", { value: "a row" });
  scroller.dispatchEvent(pressed);
  assert.equal(grows(), 900);
  scroller.ownerDocument.dispatchEvent(new Event("pointerup"));
  assert.equal(grows(), 900);

  context.mock.timers.tick(100);
  assert.equal(scroller.scrollTop, 2900);
  assert.equal(grows(), 3900);
});

test("the scrollbar holds nothing: nobody tells when it is let go", () => {
  const { scroller, follower } = following();
  scroller.dispatchEvent(new Event("pointerdown"));
  scroller.scrollHeight = 2000;
  follower.grown();

  assert.equal(scroller.scrollTop, 1900);
});

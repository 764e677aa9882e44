"""What somebody sees of the page, where axe-core does not look: what is cut, and what is locked."""

from typing import Final

from tests.system.browser import Visit

_TYPES: Final = """
() => [...document.querySelectorAll(".rows .type")].map((type) => {
  const texts = document.createTreeWalker(type, NodeFilter.SHOW_TEXT);
  const letter = document.createRange();
  let seen = "";
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const cutting = [type, text.parentElement].filter((box) => getComputedStyle(box).overflowX === "hidden");
    const boxes = cutting.map((box) => box.getBoundingClientRect());
    for (let at = 0; at < text.length; at++) {
      letter.setStart(text, at);
      letter.setEnd(text, at + 1);
      const { left, right } = letter.getBoundingClientRect();
      if (boxes.every((box) => box.left < left + 1 && right - 1 < box.right)) seen += text.data[at];
    }
  }
  return [type.textContent, seen, type.title];
})
"""

_CONTRASTS: Final = """
(within) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const mix = (over, under, much) => under.map((part, n) => over[n] * much + part * (1 - much));
  const paper = (element) => {
    if (!element) return [255, 255, 255];
    const [r, g, b, alpha = 1] = numbers(getComputedStyle(element).backgroundColor);
    return mix([r, g, b], paper(element.parentElement), alpha);
  };
  const seen = (element, colour) => {
    if (!element) return colour;
    const { parentElement: parent } = element;
    return seen(parent, mix(colour, paper(parent), Number(getComputedStyle(element).opacity)));
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => (part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (element) => {
    const colours = [numbers(getComputedStyle(element).color).slice(0, 3), paper(element)];
    const [dark, light] = colours.map((colour) => luminance(seen(element, colour))).sort((one, other) => one - other);
    return (light + 0.05) / (dark + 0.05);
  };
  const isText = (element) => element.matches("textarea, select")
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  return [...document.querySelectorAll(`${within} *`)]
    .filter((element) => isText(element) && element.checkVisibility())
    .map((element) => [element.id || element.textContent.trim(), contrast(element)]);
}
"""


def types(visit: Visit) -> list[tuple[str, str, str]]:
    """Of each row of events the type, as much of it as is in its place, and what the pointer is told."""
    seen: list[tuple[str, str, str]] = visit.page.evaluate(_TYPES)
    return seen


def contrasts(visit: Visit, within: str) -> list[tuple[str, float]]:
    """How each text that is seen stands out from what is behind it (WCAG 2.2, success criterion 1.4.3)."""
    seen: list[tuple[str, float]] = visit.page.evaluate(_CONTRASTS, within)
    return seen

// @ts-check
/** Small helpers for the document. Text goes in as text, never as markup. */

/** The element of an id; one that is missing is a mistake of ours. @param {string} id @returns {any} */
export function get(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] set as properties; those with a dash or `role` as attributes
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, String(value));
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make a part of a drawing. @param {string} tag @param {Record<string, string>} [attributes] @returns {SVGElement} */
export function draw(tag, attributes = {}) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** An icon out of those in the document. @param {string} name */
export function icon(name) {
  const svg = draw("svg", { "aria-hidden": "true" });
  svg.append(draw("use", { href: `#i-${name}` }));
  return svg;
}

/** Set a text only if it is another, so that nothing is laid out for nothing. @param {Node} node @param {string} text */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Where the next of many goes: into the last list, or, when that is full, into a new one, so that few are laid out. @param {any} lists @param {number} most */
export function roomIn(lists, most) {
  const last = lists.lastElementChild;
  if (last && last.childElementCount < most) return last;
  return lists.appendChild(make("ol"));
}

/** Take one of many out, and its list with the last. @param {any} node */
export function takeOut(node) {
  const list = node.parentElement;
  node.remove();
  if (list.childElementCount === 0) list.remove();
}

/** @type {Set<() => void | (() => void)>} */
const paints = new Set();

/** All that is to be painted, and only then what needs to know where it stands: so it is laid out once. */
function paintAll() {
  const now = [...paints];
  paints.clear();
  const rest = now.map((paint) => paint());
  for (const settle of rest) settle?.();
}

/** Call a function once before the next picture, however often it is asked for. @param {() => void | (() => void)} paint may give what is to be done when all is painted */
export function painter(paint) {
  return () => {
    if (!paints.size) requestAnimationFrame(paintAll);
    paints.add(paint);
  };
}

/** What was chosen the last time; null: nothing, or the browser keeps nothing. @param {string} key */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // then it holds until the page is left
  }
}

/** Put a text on the clipboard, also where a page may only ask for what is selected. @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = make("textarea", { value: text, className: "sr" });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** What others say as a sentence of the page's own. @param {string} text */
export function sentence(text) {
  if (!text) return "";
  const begun = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** `4:05`. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

/** `1.2k`. @param {number} count */
export function short(count) {
  if (count < 1000) return String(count);
  return count < 1e6 ? `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** `8.2 kB`. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

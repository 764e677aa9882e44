// @ts-check
/** What was heard of a turn that was cut: its words and its sound. No browser in this file, so that Node can test it. */

/** @typedef {import("./conversation.js").Turn} Turn */

const CHARACTER = 62; // milliseconds of speech, about; for answers that were cut before their length was known

/** The words of a turn that were heard: of an answer that was cut, about as many as fit into the time. @param {Turn} turn */
export function heardText(turn) {
  if (turn.heard === null || !turn.spoken) return turn.text;
  const whole = turn.final && turn.ms ? turn.ms : Math.max(turn.ms, turn.text.length * CHARACTER);
  const share = whole ? Math.min(1, turn.heard / whole) : 0;
  if (share === 1) return turn.text;
  const words = turn.text.split(/(?<=\s)/);
  let text = "";
  for (const word of words) {
    if (text.length + word.trimEnd().length / 2 > turn.text.length * share) break;
    text += word;
  }
  return text.trimEnd();
}

/** The sound of a turn that was heard. @param {Turn} turn @returns {Int16Array[]} */
export function heardAudio(turn) {
  if (turn.heard === null) return turn.audio ?? [];
  let left = Math.round(turn.heard * 24);
  const pieces = [];
  for (const piece of turn.audio ?? []) {
    if (left <= 0) break;
    pieces.push(piece.subarray(0, left));
    left -= piece.length;
  }
  return pieces;
}

// @ts-check
/** Turns are deleted: in what the model remembers, and here as soon as it has forgotten them. */

/** @typedef {import("./conversation.js").Turn} Turn */

const MARK = "page_delete_"; // before the id of an item, names the event that asks for it to be deleted
const UNKNOWN = "item_delete_invalid_item_id"; // it was deleted before

export class Deleting {
  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {import("./connection.js").Connection} connection
   * @param {(turn: Turn) => void} removed
   */
  constructor(conversation, connection, removed) {
    this.conversation = conversation;
    this.connection = connection;
    this.removed = removed;
  }

  /** The person wants it gone. @param {Turn} turn */
  remove(turn) {
    if (turn.old || !this.connection.open) this.gone(turn.id, turn);
    else for (const item of this.conversation.itemsOf(turn)) this.#forget(item);
  }

  /** An item is new; if it is what a call gave that was deleted meanwhile, it is to go as well. @param {any} item */
  added(item) {
    if (this.conversation.isOrphan(item)) this.#forget(item.id);
  }

  /** It is gone. @param {string} id @param {Turn} [turn] if several have had this id */
  gone(id, turn) {
    const removed = this.conversation.remove(id, turn);
    if (removed) this.removed(removed);
  }

  /** What the model does not remember, it need not forget. @param {any} error */
  failed({ code, event_id }) {
    if (code === UNKNOWN && event_id?.startsWith(MARK)) this.gone(event_id.slice(MARK.length));
  }

  /** @param {string} item_id */
  #forget(item_id) {
    this.connection.send({ type: "conversation.item.delete", event_id: MARK + item_id, item_id });
  }
}

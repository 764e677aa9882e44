// The clients that run in a browser, for a page; esbuild makes one file of it.

import * as agents from "./agents.mjs";
import * as openai from "./openai_websocket.mjs";
import * as reference from "./reference.mjs";

/** Fail after a number of seconds. */
function late(seconds) {
  return new Promise((_resolve, reject) => setTimeout(() => reject(new Error("it takes too long")), seconds * 1000));
}

globalThis.clients = { agents, openai, reference, late };

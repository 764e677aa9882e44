// A client in Node: what to talk to is on standard input, what was heard on the last line of standard output.
// Usage: node main.mjs MODULE CONVERSATION

import { text } from "node:stream/consumers";

const [module, conversation] = process.argv.slice(2);
const clients = await import(`./${module}.mjs`);
const heard = await clients[conversation](JSON.parse(await text(process.stdin)));
process.stdout.write(`${JSON.stringify(heard)}\n`, () => process.exit(0));

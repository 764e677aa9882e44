// A client in Node: what to talk to is on standard input, what was heard on the last line of standard output.
// Usage: node main.mjs MODULE

import { text } from "node:stream/consumers";

const { converse } = await import(`./${process.argv[2]}.mjs`);
const heard = await converse(JSON.parse(await text(process.stdin)));
process.stdout.write(`${JSON.stringify(heard)}\n`, () => process.exit(0));

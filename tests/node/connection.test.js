import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Connection } from "./connection.js";

/** A socket that does what the test says. */
class Socket {
  static OPEN = 1;
  static all = [];
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  closed = null;

  constructor(url) {
    this.url = url;
    Socket.all.push(this);
  }

  opens() {
    this.readyState = Socket.OPEN;
    this.onopen();
  }

  close(code, reason) {
    this.readyState = 2;
    this.closed ??= [code, reason];
  }

  send(data) {
    this.sent.push(data);
  }
}

/** What a plain request is answered; null: nobody answers. */
let answer = null;
const listeners = {};

globalThis.WebSocket = Socket;
globalThis.location = { origin: "https://voice.example" };
globalThis.addEventListener = (kind, listener) => (listeners[kind] = listener);
globalThis.fetch = async (path, { signal }) => {
  assert.ok(signal, `${path} is waited for without end`);
  if (!answer) throw new TypeError("nobody answers");
  return answer;
};

/** All that is under way in promises goes on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function connect() {
  const told = [];
  const tell = (name) => (...given) => told.push([name, ...given]);
  const connection = new Connection(Object.fromEntries(["connecting", "opened", "said", "sent", "ended", "failed"].map((name) => [name, tell(name)])));
  connection.connect();
  return { connection, told, socket: Socket.all.at(-1) };
}

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
test.afterEach(() => {
  mock.timers.reset();
  answer = null;
});

const GONE = ["failed", { kind: "gone", text: "" }, 3];

test("a server that is gone without a word is missed within 15 seconds", async () => {
  const { told, socket } = connect();
  socket.opens();
  mock.timers.tick(9_000);
  socket.onmessage({ data: "a word" });
  mock.timers.tick(9_999);
  await settle();
  assert.deepEqual(told, [["connecting"], ["opened"], ["said", "a word"]]);

  mock.timers.tick(1);
  await settle();
  assert.deepEqual(told.at(-1), GONE);
  mock.timers.tick(3_000);
  assert.notEqual(Socket.all.at(-1), socket);
  socket.onmessage({ data: "too late" });
  socket.onclose({ code: 1006, reason: "" });
  assert.deepEqual(told.at(-1), ["connecting"]);
});

test("a server that is silent but there is asked again, and not left", async () => {
  const { told, socket } = connect();
  socket.opens();
  answer = { ok: true, status: 200 };
  for (let n = 0; n < 10; n++) {
    mock.timers.tick(10_000);
    await settle();
  }
  assert.deepEqual(told, [["connecting"], ["opened"]]);

  answer = null;
  mock.timers.tick(10_000);
  await settle();
  assert.deepEqual(told.at(-1), GONE);
});

test("a browser that says that it is offline is believed only if nobody answers", async () => {
  const { told, socket } = connect();
  socket.opens();
  answer = { ok: true, status: 200 };
  listeners.offline();
  await settle();
  assert.deepEqual(told.at(-1), ["opened"]);

  answer = null;
  listeners.offline();
  await settle();
  assert.deepEqual(told.at(-1), GONE);
});

test("whoever still speaks is there, even if no request gets through", async () => {
  const { told, socket } = connect();
  socket.opens();
  listeners.offline();
  socket.onmessage({ data: "a word" });
  await settle();

  assert.deepEqual(told.at(-1), ["said", "a word"]);
});

test("a connection that does not come about is given up after 10 seconds, and tried again", async () => {
  const { told, socket } = connect();
  mock.timers.tick(10_000);
  await settle();
  assert.deepEqual(told, [["connecting"], GONE]);
  assert.ok(socket.closed);

  mock.timers.tick(3_000);
  Socket.all.at(-1).opens();
  assert.deepEqual(told.at(-1), ["opened"]);
});

test("whoever gives up while it connects hears no more of it", async () => {
  const { connection, told, socket } = connect();
  connection.disconnect();
  socket.opens();
  socket.onclose({ code: 1006, reason: "" });
  mock.timers.tick(60_000);
  await settle();

  assert.deepEqual(told, [["connecting"]]);
  assert.deepEqual(socket.closed, [1000, undefined]);
});

test("whoever gives up while the page learns why it failed hears no more of it", async () => {
  const { connection, told, socket } = connect();
  socket.onclose({ code: 1006, reason: "" });
  connection.disconnect();
  await settle();
  mock.timers.tick(60_000);

  assert.deepEqual(told, [["connecting"]]);
});

test("what comes after somebody has parted is nobody's", () => {
  const { connection, told, socket } = connect();
  socket.opens();
  connection.disconnect();
  socket.onmessage({ data: "too late" });

  assert.deepEqual(told, [["connecting"], ["opened"]]);
});

test("a microphone whose sound does not get through ends the conversation at once, with a code of its own", () => {
  const { connection, told, socket } = connect();
  socket.opens();
  socket.bufferedAmount = (1 << 20) + 1;
  connection.sendAudio(new Int16Array(480));

  assert.deepEqual(told.at(-1), ["ended", 4000, ""]);
  assert.deepEqual(socket.closed, [4000, "this connection is too slow for the microphone"]);
  assert.deepEqual(socket.sent, []);
});

for (const [code, then] of [
  [1001, ["failed", { kind: "gone", text: "why" }, 3]],
  [1006, ["failed", { kind: "gone", text: "why" }, 3]],
  [1012, ["failed", { kind: "draining", text: "why" }, 3]],
  [1000, ["ended", 1000, "why"]],
  [1008, ["ended", 1008, "why"]],
  [1013, ["ended", 1013, "why"]],
  [4000, ["ended", 4000, "why"]],
]) {
  test(`closing code ${code} is followed by ${then.slice(0, 2).map((each) => each.kind ?? each).join(" ")}`, () => {
    const { told, socket } = connect();
    socket.opens();
    socket.onclose({ code, reason: "why" });

    assert.deepEqual(told.at(-1), then);
  });
}

test("what is sent is told with its size, the microphone's sound too", () => {
  const { connection, told, socket } = connect();
  connection.send({ type: "too early" });
  socket.opens();
  connection.send({ type: "response.create" });
  connection.sendAudio(new Int16Array(480));

  assert.deepEqual(told.slice(2), [["sent", { type: "response.create" }, 26], ["sent", { type: "microphone audio" }, 960]]);
});

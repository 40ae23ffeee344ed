// A server for tests that need one in a process of its own: echo, a topic, a crowd that is flooded. A
// line on stdin is a command, a line of JSON its answer. argv[2]: the options as JSON.
//   measure          memory after a collection, CPU time, native objects, what is pending
//   usage            CPU time and connections only: needs no descriptor
//   fill BYTES       publishes and sends to the crowd until every muted socket has skipped one
//   publish MS       goes on publishing every 20 ms for MS milliseconds, answered at once
//   close            closes the server; the answer tells what native objects are left
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { createServer } from '../../../dist/index.js';
import { loadNative } from '../../../dist/native/load.js';

const PUBLISH_EVERY_MS = 20;
const { options = {}, route = {} } = JSON.parse(process.argv[2] ?? '{}');
let server = createServer({ host: '127.0.0.1', port: 0, ...options });
const muted = new Set();
const ended = [];
let skipped = new Set();

server.get('/plain', (_request, response) => response.end('plain\n'));
server.post('/body', async (request, response) =>
  response.end(`${(await request.bytes()).length}\n`),
);
server.websocket('/echo', {
  ...route,
  message: (socket, data) => socket.send(data),
  close: (_socket, code) => ended.push(code),
});
server.websocket('/listen', {
  ...route,
  open: (socket) => socket.subscribe('crowd'),
  message: (socket, data) => socket.send(data),
});
server.websocket('/mute', {
  ...route,
  open: (socket) => {
    muted.add(socket);
    socket.subscribe('crowd');
  },
  dropped: (socket) => skipped.add(socket),
  close: (socket) => muted.delete(socket),
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));

function usage() {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, connections: server?.connectionCount ?? 0 };
}

function measure() {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  let pendingMax = 0;
  let pendingSum = 0;
  for (const socket of muted) {
    pendingMax = Math.max(pendingMax, socket.pendingBytes);
    pendingSum += socket.pendingBytes;
  }
  const live = loadNative().liveObjects();
  const closed = ended.splice(0);
  return { ...usage(), rss, heapUsed, external, live, pendingMax, pendingSum, closed };
}

async function fill(bytes) {
  const text = `T${'.'.repeat(bytes - 1)}`;
  skipped = new Set();
  while (skipped.size < muted.size) {
    server.publish('crowd', text);
    // What a publish owes is shared by all that owe it; what is sent to one is its own.
    for (const socket of muted) socket.send(text);
    await turn();
  }
  return measure();
}

function publish(ms) {
  const text = `T${'.'.repeat(999)}`;
  const until = performance.now() + ms;
  const timer = setInterval(() => {
    server.publish('crowd', text);
    if (performance.now() >= until) clearInterval(timer);
  }, PUBLISH_EVERY_MS);
  return {};
}

async function close() {
  await server.close({ deadlineMs: 2000 });
  server = undefined;
  // What JavaScript held is freed by the collector, and its finalizers run in turns of their own.
  for (let i = 0; i < 20; i++) {
    globalThis.gc?.();
    await turn();
  }
  return measure();
}

const COMMANDS = { measure, usage, fill, publish, close };
for await (const line of createInterface({ input: process.stdin })) {
  const [name, argument] = line.split(' ');
  console.log(JSON.stringify(await COMMANDS[name](Number(argument))));
}

#!/usr/bin/env node
// Memory per idle WebSocket: (RSS at `high` connections - RSS at `low`) / (high - low), each after a
// collection and a while of rest. A process of its own holds the clients' ends; each says hello once,
// so that every connection has sent and received.
//   node bench/idle-memory.mjs [--low=1000] [--high=15000] [--rest=10] [--runs=3]
//                              [--server=FILE]   (prints {port}; a line on stdin asks for {rss})

import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SELF = fileURLToPath(import.meta.url);
const OWN_SERVER = fileURLToPath(new URL('servers/sluice-idle.mjs', import.meta.url));
const HANDSHAKES_IN_FLIGHT = 64;
const CONNECTIONS_MAX = 19_000;
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
/** A masked text frame, and the server's answer to it. */
const HELLO = Buffer.from('818500000000' + Buffer.from('hello').toString('hex'), 'hex');
const HELLO_BACK = 'hello';

function option(name, otherwise) {
  const found = process.argv.find((text) => text.startsWith(`--${name}=`));
  return found === undefined ? otherwise : found.slice(name.length + 3);
}

/** A child that answers each line with a line of JSON. */
class Peer {
  #process;
  #lines;

  constructor(args) {
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async line() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('a child has ended');
    return JSON.parse(value);
  }

  ask(text) {
    this.#process.stdin.write(`${text}\n`);
    return this.line();
  }

  end() {
    this.#process.kill('SIGKILL');
  }
}

function openOne(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${received.slice(0, 100)}`)));
    socket.on('data', (chunk) => {
      const wasOpen = received.includes('\r\n\r\n');
      received += chunk.toString('latin1');
      if (!wasOpen && received.includes('\r\n\r\n')) socket.write(HELLO);
      if (received.endsWith(HELLO_BACK)) resolve(socket);
    });
    socket.write(UPGRADE);
  });
}

/** The clients' process: each line is a number of connections to be at. */
function holdConnections(port) {
  const sockets = [];
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const wanted = Number(line);
    while (sockets.length < wanted) {
      const count = Math.min(HANDSHAKES_IN_FLIGHT, wanted - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: count }, () => openOne(port)))));
    }
    console.log(JSON.stringify({ open: sockets.length }));
  });
}

async function measure(low, high, restSeconds) {
  const server = new Peer(['--expose-gc', option('server', OWN_SERVER)]);
  const { port } = await server.line();
  const clients = new Peer([SELF, `--hold=${port}`]);
  const levels = [];
  for (const level of [low, high]) {
    await clients.ask(level);
    await server.ask('collect');
    await rest(restSeconds * 1000);
    levels.push(await server.ask('measure'));
  }
  clients.end();
  server.end();
  const [first, second] = levels;
  const per = (name) => Math.round((second[name] - first[name]) / (high - low));
  return { rss: per('rss'), heapUsed: per('heapUsed'), external: per('external') };
}

async function main() {
  const low = Number(option('low', '1000'));
  const high = Number(option('high', '15000'));
  if (high > CONNECTIONS_MAX) throw new Error(`--high is at most ${CONNECTIONS_MAX}`);
  const results = [];
  for (let run = 0; run < Number(option('runs', '3')); run++) {
    const bytes = await measure(low, high, Number(option('rest', '10')));
    results.push(bytes.rss);
    console.log(
      `run ${run + 1}: ${bytes.rss} bytes per idle connection ` +
        `(V8 heap ${bytes.heapUsed}, external ${bytes.external})`,
    );
  }
  const median = results.sort((a, b) => a - b)[Math.floor(results.length / 2)];
  console.log(`median ${median} bytes per idle connection, ${low} to ${high} connections`);
}

const held = option('hold', undefined);
if (held !== undefined) holdConnections(Number(held));
else await main();

// Every member of Swoole's server is either there, with a test that is named here, or in docs/swoole.md with the
// reason why it is not.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as swoole from '../../../lib/compat/swoole/index.ts';
import { REFUSED, TAKEN, WITHOUT_EFFECT } from '../../../lib/compat/swoole/settings.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
const doc = read('docs/swoole.md');
const titles = [
  'test/integration/swoole.test.ts',
  'test/integration/swoole-http.test.ts',
  'test/integration/swoole-programs.test.ts',
  'test/integration/swoole-processes.test.ts',
  'test/unit/compat/swoole-parts.test.ts',
]
  .map(read)
  .join('');

const INFO = 'getClientInfo, bind and stats';
const LIFE = 'start, workerStart, beforeShutdown, workerExit, workerStop, shutdown, in this order';
const WHOM = 'close tells who began, with code and reason beside';
const BYTES = 'receive: bytes without a protocol, on a port of its own';
const FULL = 'bufferFull and bufferEmpty: a slow peer is told of, then dropped for, then served';
const PAGES = 'getClientList gives pages, and false at the end';
const IDLE = 'heartbeat() names the idle, and closes them only if asked to';
const FLOW = 'pause holds messages back until resume';
const TIMERS = 'errors in close and in timers are told, and the server goes on';
const NAMES = 'an unknown one is told by its name; UDP is refused';

const RELOAD = 'reload() of a worker replaces all, clients are told 1012; shutdown() ends all';
const RESULTS = 'results come to finish, to a callback, or to who waits';
const SPREAD = 'several at once are spread; who is late, silent or fails is false';
const REACHED = 'every call reaches a connection of the other worker by its number';

/** Methods and properties, and what tests them. */
const MEMBERS: Readonly<Record<string, string>> = {
  push: 'text, bytes, a Frame and a compressed one arrive as they are',
  disconnect: WHOM,
  ping: 'ping, pong and close reach `message` when the settings say so',
  isEstablished: 'a stale fd never reaches whoever came after',
  exist: 'a stale fd never reaches whoever came after',
  exists: INFO,
  set: 'an unknown one is told by its name',
  on: NAMES,
  getCallback: NAMES,
  listen: BYTES,
  addlistener: 'addlistener is listen',
  start: 'start() needs a callback for what comes in; UDP is refused',
  stop: LIFE,
  shutdown: 'max_wait_time: who does not leave is reset',
  tick: LIFE,
  after: TIMERS,
  defer: TIMERS,
  clearTimer: 'timers: three ticks and a farewell',
  close: WHOM,
  send: BYTES,
  sendfile: 'sendfile: a file over TCP, and what is sent behind it comes behind it',
  pause: FLOW,
  resume: FLOW,
  confirm: FLOW,
  protect: 'the heartbeat closes who is silent, not who is protected or talks',
  bind: INFO,
  getClientInfo: INFO,
  connection_info: INFO,
  getClientList: PAGES,
  connection_list: PAGES,
  heartbeat: IDLE,
  stats: INFO,
  getLastError: 'what cannot be sent is false, and says why',
  getWorkerId: INFO,
  getWorkerPid: INFO,
  getManagerPid: INFO,
  getMasterPid: INFO,
  setting: 'addlistener is listen',
  connections: PAGES,
  host: INFO,
  port: BYTES,
  type: INFO,
  mode: INFO,
  ports: INFO,
  ssl: 'SWOOLE_SSL: https and wss with the certificate of the settings',
  master_pid: INFO,
  manager_pid: INFO,
  worker_id: INFO,
  worker_pid: INFO,
  taskworker: INFO,
  reload: RELOAD,
  sendMessage: REACHED,
  task: RESULTS,
  finish: RESULTS,
  taskwait: RESULTS,
  taskWaitMulti: SPREAD,
  taskCo: SPREAD,
};

const EVENTS: Readonly<Record<string, string>> = {
  open: 'chat room: everybody but the speaker hears, and who leaves is missed',
  message: 'without them only data does, and pings are answered',
  close: WHOM,
  disconnect: 'plain HTTP ends in disconnect where there is one, else in close',
  handshake: 'handshake decides: 101 without an open event, a status of its own, 403 for false',
  beforeHandshakeResponse: 'beforeHandshakeResponse adds fields to the 101',
  request: 'request: fields, query, form, cookies, body; cookies and status back',
  connect: BYTES,
  receive: BYTES,
  bufferFull: FULL,
  bufferEmpty: FULL,
  start: LIFE,
  beforeShutdown: LIFE,
  shutdown: LIFE,
  workerStart: LIFE,
  workerStop: LIFE,
  workerExit: LIFE,
  workerError: 'a worker that is killed takes its numbers along, and workerError is told',
  managerStart: 'a worker that is killed takes its numbers along, and workerError is told',
  managerStop: RELOAD,
  beforeReload: RELOAD,
  afterReload: RELOAD,
  task: RESULTS,
  finish: RESULTS,
  pipeMessage: REACHED,
};

/** Not carried over. */
const EVENTS_LEFT_OUT = ['packet'];
const MEMBERS_LEFT_OUT = [
  ...['addProcess', 'sendwait', 'sendto', 'getSocket', 'getWorkerStatus', 'addCommand', 'command'],
  ...['stats_timer', 'admin_server', 'bootstrap'],
];

const leftOut = doc.slice(
  doc.indexOf('## What is not carried over'),
  doc.indexOf('## What is different'),
);
const server = new swoole.Server();

test('addlistener is listen', () => {
  const one = new swoole.Server('127.0.0.1', 0);
  one.set({ backlog: 7 });
  const port = one.addlistener('127.0.0.1', 0);
  expect([one.ports.includes(port), port.settings.backlog, one.setting.backlog]).toEqual([
    true,
    7,
    7,
  ]);
});

describe('members', () => {
  test.each(Object.entries(MEMBERS))('%s is there, and tested: %s', (name, title) => {
    expect(name in server).toBe(true);
    const own = read('test/unit/compat/swoole-surface.test.ts');
    expect(titles.includes(title) || own.includes(`test('${title}'`)).toBe(true);
    expect(doc.includes(`\`${name}\``), name).toBe(true);
  });

  test('nothing else is there but what the document calls ours', () => {
    const prototype = Object.getOwnPropertyNames(swoole.Server.prototype);
    const base = Object.getOwnPropertyNames(Object.getPrototypeOf(swoole.Server.prototype));
    const all = new Set([...prototype, ...base, ...Object.keys(server)]);
    for (const name of [...Object.keys(MEMBERS), 'constructor', 'lastOutcome']) all.delete(name);
    expect([...all]).toEqual([]);
  });

  test.each(MEMBERS_LEFT_OUT)('%s is not, and the document says why', (name) => {
    expect(name in server).toBe(false);
    expect(leftOut.includes(`\`${name}\``), name).toBe(true);
  });
});

describe('events', () => {
  test.each(Object.entries(EVENTS))('%s is served, and tested: %s', (name, title) => {
    expect(new swoole.Server().on(name.toUpperCase(), () => undefined)).toBe(true);
    expect(titles.includes(title), title).toBe(true);
    expect(doc.includes(`\`${name}\``), name).toBe(true);
  });

  test.each(EVENTS_LEFT_OUT)('%s is not, and the document says why', (name) => {
    expect(() => server.on(name, () => undefined)).toThrow();
    expect(leftOut.includes(`\`${name}\``), name).toBe(true);
  });
});

describe('settings', () => {
  test('the document has every one', () => {
    const names = [...Object.keys(TAKEN), ...WITHOUT_EFFECT, ...REFUSED];
    expect(names.filter((name) => !doc.includes(`\`${name}\``))).toEqual([]);
    expect(REFUSED.filter((name) => !leftOut.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('constants', () => {
  const all: Readonly<Record<string, unknown>> = swoole;
  const prefixed = Object.keys(all).filter((name) => name.startsWith('WEBSOCKET_'));

  test('each has its other spelling, with the same value', () => {
    expect(prefixed.length).toBe(27);
    for (const name of prefixed) expect(all[`SWOOLE_${name}`], name).toBe(all[name]);
  });

  test.each([
    ['WEBSOCKET_STATUS_FRAME', 3],
    ['SWOOLE_WEBSOCKET_FLAG_MASK', 32],
    ['WEBSOCKET_CLOSE_SERVICE_RESTART', 1012],
    ['WEBSOCKET_CLOSE_TLS', 1015],
    ['SWOOLE_ERROR_WEBSOCKET_INCOMPLETE_PACKET', 8507],
    ['SWOOLE_SOCK_UNIX_STREAM', 5],
    ['SWOOLE_PROCESS', 2],
  ])('%s is %i', (name, value) => {
    expect(all[name]).toBe(value);
  });
});

// sluice/workerman without sockets: names of places, protocols, answers, and the list of every member of
// Workerman's interface with the test that shows it, or the document that says why it is not there.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  Frame,
  Gateway,
  GatewayWorker,
  Response,
  ServerSentEvents,
  TcpConnection,
  Text,
  Timer,
  Worker,
} from '../../../lib/compat/workerman/index.ts';
import { parseSocketName } from '../../../lib/compat/workerman/socket-name.ts';

const at = (name: string): string =>
  readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
const DOCUMENT = at('docs/workerman.md');
const TESTS = ['', '-life', '-gateway', '-processes']
  .map((part) => at(`test/integration/workerman${part}.test.ts`))
  .join('\n');

/** Members, and the beginning of the title of a test that uses them. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  'ids grow over all workers, and addresses': [
    'connection.id',
    'connection.worker',
    'connection.context',
    'connection.getRemoteIp',
    'connection.getRemotePort',
    'connection.getRemoteAddress',
    'connection.getLocalIp',
    'connection.getLocalPort',
    'connection.getLocalAddress',
    'connection.isIpV4',
    'connection.isIpV6',
  ],
  'unix:// serves a file': ['worker.transport', 'worker.protocol', 'connection.transport'],
  'callbacks come in their order': [
    'connection.headers',
    'worker.onConnect',
    'worker.onMessage',
    'worker.onClose',
    'worker.onWebSocketConnect',
    'worker.onWebSocketConnected',
    'connection.onConnect',
    'connection.onMessage',
    'connection.onClose',
    'connection.onWebSocketConnect',
    'connection.onWebSocketConnected',
    'connection.onWebSocketClose',
    'connection.closeInfo',
  ],
  'bytes are binary, and websocketType': [
    'connection.websocketType',
    'connection.onWebSocketPing',
    'connection.onWebSocketPong',
  ],
  'a chat over worker.connections': ['worker.connections', 'TcpConnection.connections'],
  "a protocol of the program's own": ['connection.protocol'],
  'true while the kernel takes it': [
    'connection.send',
    'connection.maxSendBufferSize',
    'connection.getSendBufferQueueSize',
    'connection.bufferIsEmpty',
    'connection.onError',
    'connection.onBufferFull',
    'connection.onBufferDrain',
    'worker.onError',
    'worker.onBufferFull',
    'worker.onBufferDrain',
    'TcpConnection.defaultMaxSendBufferSize',
    'TcpConnection.SEND_FAIL',
  ],
  'a line above maxPackageSize': [
    'connection.maxPackageSize',
    'TcpConnection.defaultMaxPackageSize',
  ],
  'end() sends, reads nothing more': [
    'connection.end',
    'connection.lingerTimeout',
    'connection.getStatus',
    'TcpConnection.defaultLingerTimeout',
  ],
  'close(data) sends it and says 1000': ['connection.close'],
  'destroy() drops what is pending': ['connection.destroy'],
  'pauseRecv() holds packages back': [
    'connection.pauseRecv',
    'connection.resumeRecv',
    'connection.getRecvBufferQueueSize',
    'connection.consumeRecvBuffer',
  ],
  'tcp:// gives bytes as they come; pipe()': ['connection.pipe'],
  'counters of bytes': ['connection.bytesRead', 'connection.bytesWritten', 'worker.requestCount'],
  'onWorkerStart and onWorkerStop are called in order': [
    'worker.onWorkerStart',
    'worker.onWorkerStop',
    'worker.onWorkerReload',
    'worker.run',
    'worker.stop',
    'worker.stopping',
    'worker.reloadable',
    'Worker.onMasterReload',
    'Worker.onMasterStop',
    'Worker.runAll',
    'Worker.stopAll',
    'Worker.getAllWorkers',
    'Worker.getStatus',
    'Worker.STATUS_INITIAL',
    'Worker.STATUS_STARTING',
    'Worker.STATUS_RUNNING',
    'Worker.STATUS_SHUTDOWN',
    'Worker.STATUS_RELOADING',
  ],
  'an inner worker listens': [
    'worker.listen',
    'worker.unlisten',
    'worker.pauseAccept',
    'worker.resumeAccept',
    'worker.port',
  ],
  'start -d, reload, restart -d and stop': ['Worker.daemonize', 'Worker.stdoutFile'],
  'count = 4 is four processes': ['worker.count', 'worker.id', 'Worker.onWorkerExit'],
  'a port in use is refused': ['worker.reusePort', 'Worker.DEFAULT_BACKLOG'],
  'SIGUSR2 reloads, SIGTERM closes': ['Worker.pidFile'],
  'SIGQUIT waits for the last connection': ['Worker.getGracefulStop'],
  'the process becomes the user': ['worker.user', 'worker.group', 'worker.setUserAndGroup'],
  'a connection that does not close': ['Worker.stopTimeout'],
  'the log goes to a file': [
    'Worker.log',
    'Worker.safeEcho',
    'Worker.logFile',
    'Worker.logFileMaxSize',
    'Worker.outputStream',
  ],
  '%s: %s that throws costs': ['Worker.isRunning'],
  'repeat, delay, del, delAll, sleep': ['repeat', 'delay', 'sleep', 'del', 'delAll'].map(
    (name) => `Timer.${name}`,
  ),
  'heartbeat: who has not spoken': ['Timer.add'],
  'to all, to some, to one': ['Gateway.sendToAll', 'Gateway.sendToClient'],
  'to groups: joined before': [
    'Gateway.sendToGroup',
    'Gateway.joinGroup',
    'Gateway.leaveGroup',
    'Gateway.ungroup',
  ],
  'to uids: one client has one': [
    'Gateway.sendToUid',
    'Gateway.bindUid',
    'Gateway.unbindUid',
    'Gateway.isUidOnline',
  ],
  'a group reaches clients of text://': ['gateway.sendToClientBufferSize'],
  'lists and counts': [
    'Gateway.isOnline',
    'Gateway.getUidByClientId',
    'Gateway.getClientIdByUid',
    'Gateway.getClientIdListByGroup',
    'Gateway.getClientIdCountByGroup',
    'Gateway.getUidListByGroup',
    'Gateway.getUidCountByGroup',
    'Gateway.getAllClientIdList',
    'Gateway.getAllClientIdCount',
    'Gateway.getAllUidList',
    'Gateway.getAllUidCount',
    'Gateway.getAllGroupIdList',
    'Gateway.getAllClientCount',
    'Gateway.getClientCountByGroup',
    'Gateway.getAllGroupUidCount',
    'Gateway.getAllGroupUidList',
    'Gateway.getAllGroupClientIdList',
    'Gateway.getAllGroupClientIdCount',
  ],
  'sessions are set, updated': [
    'Gateway.getSession',
    'Gateway.setSession',
    'Gateway.updateSession',
    'Gateway.getClientSessionsByGroup',
    'Gateway.getAllClientSessions',
    'Gateway.getAllClientInfo',
    'Gateway.getClientInfoByGroup',
    'Gateway.closeClient',
    'Gateway.destoryClient',
  ],
  'events know their client': [
    'Gateway.sendToCurrentClient',
    'Gateway.closeCurrentClient',
    'Gateway.destoryCurrentClient',
    'gateway.events',
  ],
  'pingData goes out': ['gateway.pingInterval', 'gateway.pingNotResponseLimit', 'gateway.pingData'],
};

/** In unit tests below, or plain values without behaviour. */
const PLAIN = ['worker.name', 'worker.getSocketName', 'Worker.VERSION', 'Worker.getArgv'];

const NOT_CARRIED = [
  'getSocket()',
  'getMainSocket()',
  'eventLoop',
  'eventLoopClass',
  'globalEvent',
  'getEventLoop()',
  'statusFile',
  'command',
  'registerAddress',
  'startPort',
  'lanIp',
  'router',
  'sendToWorkerBufferSize',
  'secretKey',
];

/** Fields of classes are seen in their source, methods on the classes. */
function exists(member: string): boolean {
  const [owner = '', name = ''] = member.split('.');
  if (owner === 'connection') {
    const source = at('lib/compat/workerman/tcp-connection.ts');
    return (
      name in TcpConnection.prototype || new RegExp(`^  (readonly )?${name}[ :;]`, 'm').test(source)
    );
  }
  const instances: Readonly<Record<string, object>> = {
    worker: new Worker(),
    gateway: new GatewayWorker('websocket://127.0.0.1:0'),
    Worker,
    TcpConnection,
    Timer,
    Gateway,
  };
  return name in (instances[owner] ?? {});
}

describe("every member of Workerman's interface", () => {
  test.each(Object.entries(SHOWN))('is shown by a test: %s', (title, members) => {
    expect(TESTS).toContain(title);
    expect(members.filter((member) => !exists(member))).toEqual([]);
  });

  test('or is a plain value, or is in the document with the reason', () => {
    expect(PLAIN.filter((member) => !exists(member))).toEqual([]);
    expect(NOT_CARRIED.filter((name) => !DOCUMENT.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('names of places', () => {
  test.each([
    ['websocket://0.0.0.0:2000', 'websocket', { kind: 'port', host: '0.0.0.0', port: 2000 }],
    ['HTTP://[::1]:80/', 'http', { kind: 'port', host: '::1', port: 80 }],
    ['tcp://localhost:0', 'tcp', { kind: 'port', host: 'localhost', port: 0 }],
    ['unix:///run/a.sock', 'unix', { kind: 'path', path: '/run/a.sock' }],
  ])('%s', (name, scheme, place) => {
    expect(parseSocketName(name)).toEqual({ scheme, place });
  });

  test.each(['', 'tcp://', 'tcp://host', '2000', 'tcp://a:65536', 'tcp://a:b', '://a:1'])(
    '%s is none',
    (name) => {
      expect(() => parseSocketName(name)).toThrow(
        expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
      );
    },
  );

  test('an unknown scheme is refused, and the name is kept', () => {
    expect(() => new Worker('gopher://127.0.0.1:70')).toThrow('no protocol "gopher"');
    expect(new Worker('text://127.0.0.1:1').getSocketName()).toBe('text://127.0.0.1:1');
  });
});

describe('protocols', () => {
  test.each(['', 'a', 'é', 'x'.repeat(70_000)])(
    'text and frame: what is encoded is decoded',
    (text) => {
      for (const protocol of [Text, Frame]) {
        const bytes = Buffer.from(protocol.encode(text, undefined));
        expect(protocol.input(bytes, undefined)).toBe(bytes.length);
        expect(String(protocol.decode(bytes, undefined))).toBe(text);
        for (const cut of [0, 1, bytes.length - 1].filter((each) => each < bytes.length)) {
          const length = protocol.input(bytes.subarray(0, cut), undefined);
          expect(length === 0 || length > cut).toBe(true);
        }
      }
    },
  );

  test('a frame that is shorter than its head is none', () => {
    for (const length of [0, 3]) expect(Frame.input(Buffer.from([0, 0, 0, length]), null)).toBe(-1);
    expect(Frame.input(Buffer.from([0, 0, 0, 4]), null)).toBe(4);
  });
});

describe('answers', () => {
  test('a Response is changed in place and tells what it has', () => {
    const response = new Response().withHeader('A', '1').header('B', ['2', '3']).withoutHeader('A');
    expect([response.getHeader('A'), response.getHeader('B')]).toEqual([null, ['2', '3']]);
    expect([response.getStatusCode(), response.rawBody(), response.getHeaders()]).toEqual([
      200,
      '',
      { B: ['2', '3'] },
    ]);
    response.cookie('a', 'b; c', { domain: 'x.example', secure: true, sameSite: 'Lax' });
    const cookie = 'a=b%3B%20c; Domain=x.example; Secure; SameSite=Lax';
    expect(response.getHeader('Set-Cookie')).toEqual([cookie]);
  });

  test('an event cannot smuggle fields in', () => {
    const event = new ServerSentEvents({
      event: 'a\nid: 9',
      id: 'b\r\nx',
      data: 'c\r\nd',
      retry: 5,
    });
    expect(String(event)).toBe('event: a id: 9\nid: b x\nretry: 5\ndata: c\ndata: d\n\n');
  });
});

// Programs for a server of the `ws` API: each row of its documentation that can be seen from outside. They
// are run against npm's ws and against ours, and must be seen alike.

import type Client from 'ws';
import type { Program, ServerSocket } from './ws-run.ts';

const wire = (
  client: Client,
): { write(bytes: Buffer | string): void; destroy(): void } & {
  end(): void;
} => (client as unknown as { _socket: never })._socket;

/** Sends bytes as they are, whatever the client thinks of them. */
function raw(client: Client, hex: string): void {
  wire(client).write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

const echo = (socket: ServerSocket): void => {
  socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
};

const closeAfter = (count: number) => (client: Client) => {
  let seen = 0;
  client.on('message', () => {
    if (++seen === count) client.close();
  });
};

const MASK = '00000000';

/** Frames that break the protocol, with what is wrong in the name. */
const FAULTS: readonly (readonly [string, string])[] = [
  ['RSV1 without an extension', `c1 81 ${MASK} 61`],
  ['RSV2', `a1 81 ${MASK} 61`],
  ['RSV3', `91 81 ${MASK} 61`],
  ['a reserved data opcode', `83 81 ${MASK} 61`],
  ['a reserved control opcode', `8b 80 ${MASK}`],
  ['an unmasked frame', '81 01 61'],
  ['a fragmented ping', `09 80 ${MASK}`],
  ['a long ping', `89 fe 007e ${MASK} ${'61'.repeat(126)}`],
  ['a close frame of one byte', `88 81 ${MASK} 03`],
  ['close code 1005', `88 82 ${MASK} 03ed`],
  ['close code 999', `88 82 ${MASK} 03e7`],
  ['close code 5000', `88 82 ${MASK} 1388`],
  ['a reason that is not UTF-8', `88 83 ${MASK} 03e8 ff`],
  ['a continuation of nothing', `80 81 ${MASK} 61`],
  ['a message inside a message', `01 81 ${MASK} 61 81 81 ${MASK} 62`],
  ['text that is not UTF-8', `81 82 ${MASK} c328`],
  ['fragments that are not UTF-8', `01 81 ${MASK} c3 80 81 ${MASK} 28`],
  ['a length above 2^53', `82 ff 0020000000000000 ${MASK} 61`],
  ['a good message before a wrong one', `81 81 ${MASK} 61 83 80 ${MASK}`],
];

const faults: readonly Program[] = FAULTS.map(([name, hex]) => ({
  name: `fault: ${name}`,
  client: (client) => raw(client, hex),
}));

const SENT: readonly (readonly [string, () => unknown])[] = [
  ['a string', () => 'grüße'],
  ['a long string', () => 'x'.repeat(70_000)],
  ['a long string beyond ASCII', () => 'ü'.repeat(40_000)],
  ['an empty string', () => ''],
  ['a Buffer', () => Buffer.from([1, 2, 3])],
  ['a large Buffer', () => Buffer.alloc(200_000, 7)],
  ['an empty Buffer', () => Buffer.alloc(0)],
  ['an ArrayBuffer', () => new Uint8Array([1, 2]).buffer],
  ['a view', () => new Uint16Array([1, 2, 3]).subarray(1)],
  ['a DataView', () => new DataView(new ArrayBuffer(4), 1, 2)],
  ['a Blob', () => new Blob(['blob'])],
  ['a number', () => 42],
  ['an array of bytes', () => [1, 2, 3]],
  ['nothing', () => undefined],
  ['null', () => null],
];

const sends: readonly Program[] = SENT.map(([name, make]) => ({
  name: `send: ${name}`,
  server: (socket, { log }) => {
    socket.send(make() as string, (error) => log.add('sent', error ?? 'none'));
    socket.send('behind it');
  },
  client: closeAfter(2),
}));

const BINARY_TYPES = ['nodebuffer', 'arraybuffer', 'fragments', 'blob', 'nonsense'] as const;

const binaryTypes: readonly Program[] = BINARY_TYPES.map((type) => ({
  name: `binaryType: ${type}`,
  server: (socket, { log }) => {
    socket.binaryType = type as 'blob';
    log.add('binaryType', socket.binaryType);
  },
  client: (client) => {
    client.send(Buffer.from([1, 2, 3]));
    client.send(Buffer.alloc(0));
    client.send('text');
    client.send(Buffer.from([4]), { fin: false });
    client.send(Buffer.alloc(0), { fin: false });
    client.send(Buffer.from([5, 6]), { fin: true });
    client.close();
  },
}));

const messages: readonly Program[] = [
  {
    name: 'message: text, binary, sizes around every length of a header',
    server: echo,
    client: (client) => {
      const sizes = [0, 1, 47, 48, 49, 125, 126, 127, 1024, 1025, 65_535, 65_536, 300_000];
      for (const size of sizes) client.send('t'.repeat(size));
      for (const size of sizes) client.send(Buffer.alloc(size, 9));
      closeAfter(sizes.length * 2)(client);
    },
  },
  {
    name: 'message: fragments of text, with a ping between them',
    client: (client) => {
      client.send('grü', { fin: false });
      client.ping('between');
      client.send('ße', { fin: true });
      client.on('pong', () => client.close());
    },
  },
  {
    name: 'message: a code point cut by fragments',
    client: (client) => {
      raw(client, `01 81 ${MASK} c3 80 81 ${MASK} bc`);
      client.close();
    },
  },
  {
    name: 'message: cut at every byte',
    client: (client) => {
      for (const byte of Buffer.from('818100000000' + '61' + '828200000000' + '0102', 'hex')) {
        wire(client).write(Buffer.from([byte]));
      }
      client.close();
    },
  },
  {
    name: 'maxPayload: at the bound',
    options: { maxPayload: 10 },
    client: (client) => {
      client.send('0123456789');
      client.close();
    },
  },
  {
    name: 'maxPayload: above the bound',
    options: { maxPayload: 10 },
    client: (client) => client.send('0123456789a'),
  },
  {
    name: 'maxPayload: above the bound by fragments',
    options: { maxPayload: 10 },
    client: (client) => {
      client.send('012345', { fin: false });
      client.send('678901', { fin: true });
    },
  },
  {
    name: 'maxPayload: 0 is no bound',
    options: { maxPayload: 0 },
    client: (client) => {
      client.send('x'.repeat(100));
      client.close();
    },
  },
  {
    name: 'maxFragments: above the bound',
    options: { maxFragments: 2 },
    client: (client) => {
      for (const fin of [false, false, true]) client.send('a', { fin });
    },
  },
  {
    name: 'skipUTF8Validation: wrong text is delivered',
    options: { skipUTF8Validation: true },
    client: (client) => {
      raw(client, `81 82 ${MASK} c328 01 81 ${MASK} c3 80 81 ${MASK} 28`);
      raw(client, `88 83 ${MASK} 03e8 ff`);
    },
  },
  {
    name: 'allowSynchronousEvents: every event has its own turn',
    options: { allowSynchronousEvents: false },
    server: (socket, { log }) => {
      for (const name of ['message', 'ping'] as const) {
        socket.on(name, () => queueMicrotask(() => log.add('turn')));
      }
    },
    client: (client) => {
      raw(client, `81 81 ${MASK} 61 89 80 ${MASK} 81 81 ${MASK} 62 82 81 ${MASK} 63`);
      client.on('pong', () => client.close(1000, 'end'));
    },
  },
  {
    name: 'allowSynchronousEvents: off, and the peer leaves without a word',
    options: { allowSynchronousEvents: false },
    client: (client) => {
      raw(client, `81 81 ${MASK} 61 81 81 ${MASK} 62 81 81 ${MASK} 63`);
      wire(client).end();
    },
  },
];

const control: readonly Program[] = [
  {
    name: 'ping: answered and reported',
    client: (client) => {
      client.ping('hello');
      client.on('pong', () => client.close());
    },
  },
  {
    name: 'autoPong: off',
    options: { autoPong: false },
    server: (socket) => socket.on('ping', (data) => socket.pong(`mine ${data}`)),
    client: (client) => {
      client.ping('x');
      client.on('pong', () => client.close());
    },
  },
  {
    name: 'maxPendingAutoPongs: more pings at once than are answered',
    options: { maxPendingAutoPongs: 3 },
    client: (client) => raw(client, `89 80 ${MASK}`.repeat(6)),
  },
  {
    name: 'ping and pong: of the server, with all kinds of data',
    server: (socket, { log }) => {
      socket.ping();
      socket.ping('text', false, (error) => log.add('pinged', error ?? 'none'));
      socket.ping(Buffer.from([1]));
      socket.ping(7);
      socket.pong();
      socket.pong('text', (error?: Error) => log.add('ponged', error ?? 'none'));
      socket.ping(() => log.add('pinged'));
    },
    client: (client) => {
      let pings = 0;
      client.on('ping', () => ++pings === 5 && client.close());
    },
  },
  {
    name: 'ping: more than 125 bytes throw',
    server: (socket, { log }) => {
      for (const name of ['ping', 'pong'] as const) {
        try {
          socket[name]('x'.repeat(126));
        } catch (error) {
          log.add('thrown', (error as Error).constructor.name);
        }
      }
      socket.close();
    },
  },
];

const fragments: readonly Program[] = [
  {
    name: 'send: fragments of text and of bytes',
    server: (socket) => {
      socket.send('one ', { fin: false });
      socket.ping();
      socket.send('two ', { fin: false });
      socket.send('three', { fin: true });
      socket.send(Buffer.from([1]), { fin: false });
      socket.send(Buffer.from([2]), { fin: true });
      socket.send('whole');
    },
    client: closeAfter(3),
  },
  {
    name: 'send: binary says what a message is',
    server: (socket) => {
      socket.send(Buffer.from('text'), { binary: false });
      socket.send('bytes', { binary: true });
      socket.send('as text', { compress: true });
    },
    client: closeAfter(3),
  },
  {
    name: 'send: a Blob keeps its place, callbacks come in order',
    server: (socket, { log }) => {
      socket.send(new Blob(['one']), () => log.add('one'));
      socket.send('two', () => log.add('two'));
      socket.ping('three', false, () => log.add('three'));
      socket.send(new Blob(['four']), { binary: false }, () => log.add('four'));
      socket.close(1000, 'five');
    },
    client: () => undefined,
  },
  {
    name: 'send: what is no data throws',
    server: (socket, { log }) => {
      for (const data of [{}, true, Symbol('x')]) {
        try {
          socket.send(data as unknown as string);
        } catch (error) {
          log.add('thrown', error instanceof TypeError);
        }
      }
      socket.close();
    },
  },
  {
    name: 'send: 1,000 messages in one turn arrive in order',
    server: (socket) => {
      for (let i = 0; i < 1000; i++) socket.send(`message ${i}`);
    },
    client: closeAfter(1000),
  },
];

const endings: readonly Program[] = [
  {
    name: 'close: by the client, with code and reason',
    client: (client) => client.close(3001, 'grüße'),
  },
  { name: 'close: by the client, with nothing', client: (client) => client.close() },
  { name: 'close: by the server, with code and reason', server: (s) => s.close(4999, 'bye') },
  { name: 'close: by the server, with nothing', server: (socket) => socket.close() },
  {
    name: 'close: by the server, reason as bytes',
    server: (socket) => socket.close(1001, Buffer.from('bytes')),
  },
  {
    name: 'close: by both at once',
    server: (socket) => socket.close(1001, 'server'),
    client: (client) => client.close(1000, 'client'),
  },
  {
    name: 'close: twice',
    server: (socket) => {
      socket.close(1000, 'first');
      socket.close(1001, 'second');
    },
  },
  {
    name: 'close: what may not be sent throws',
    server: (socket, { log }) => {
      const tries: [unknown, unknown][] = [
        [1005, ''],
        [999, ''],
        ['1000', ''],
        [1000, 'x'.repeat(124)],
        [1000, { length: 3 }],
      ];
      for (const [code, reason] of tries) {
        try {
          socket.close(code as number, reason as string);
        } catch (error) {
          log.add('thrown', (error as Error).constructor.name, socket.readyState);
        }
      }
      socket.close(1010, 'x'.repeat(123));
    },
  },
  {
    name: 'close: messages that cross it are delivered',
    server: (socket) => socket.close(),
    client: (client) => raw(client, `81 81 ${MASK} 61 81 81 ${MASK} 62`),
  },
  {
    name: 'close: what comes behind a close frame is not',
    client: (client) => raw(client, `88 82 ${MASK} 03e8 81 81 ${MASK} 61`),
  },
  {
    name: 'close: sent messages come before it',
    server: (socket) => {
      for (let i = 0; i < 100; i++) socket.send(`${i}`);
      socket.close();
    },
  },
  {
    name: 'closeTimeout: a client that never answers',
    options: { closeTimeout: 80 },
    server: (socket) => socket.close(1000),
    client: (client) => {
      client.pause();
      setTimeout(() => client.resume(), 250);
    },
  },
  { name: 'terminate: by the server', server: (socket) => socket.terminate() },
  {
    name: 'terminate: what was sent before still leaves',
    server: (socket) => {
      socket.send('last words');
      setImmediate(() => socket.terminate());
    },
  },
  { name: 'terminate: by the client', client: (client) => client.terminate() },
  { name: 'end: FIN without a close frame', client: (client) => wire(client).end() },
  {
    name: 'end: FIN inside a message',
    client: (client) => {
      raw(client, `81 85 ${MASK} 6162`);
      wire(client).end();
    },
  },
  {
    name: 'after the end: every call',
    server: (socket, { log }) => {
      socket.on('close', () => {
        socket.send('late', (error) => log.add('sent', error?.constructor.name));
        socket.send('late');
        socket.ping('late', false, (error) => log.add('pinged', error?.constructor.name));
        socket.pong('late');
        log.add('buffered', socket.bufferedAmount);
        socket.close();
        socket.close(1, 'no check now');
        socket.terminate();
        socket.pause();
        log.add('paused', socket.isPaused);
        socket.resume();
      });
      socket.close();
    },
  },
  {
    name: 'while closing: every call',
    server: (socket, { log }) => {
      socket.close(1000);
      socket.send('late', (error) => log.add('sent', error?.constructor.name));
      socket.ping('late');
      log.add('state', socket.readyState, socket.bufferedAmount > 0);
      socket.pause();
      log.add('paused', socket.isPaused);
      socket.resume();
    },
  },
];

const interfaces: readonly Program[] = [
  {
    name: 'pause and resume',
    server: (socket, { log }) => {
      socket.pause();
      log.add('paused', socket.isPaused);
      setTimeout(() => {
        log.add('resuming');
        socket.resume();
        log.add('paused', socket.isPaused);
      }, 30);
    },
    client: (client) => {
      client.send('one');
      client.send('two');
      client.close();
    },
  },
  {
    name: 'properties',
    server: (socket, { log, api }) => {
      log.add('states', socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED);
      const { CONNECTING, OPEN, CLOSING, CLOSED } = api.WebSocket;
      log.add('states', CONNECTING, OPEN, CLOSING, CLOSED);
      log.add('properties', socket.binaryType, socket.bufferedAmount, socket.extensions);
      log.add('properties', socket.isPaused, socket.protocol, socket.readyState, socket.url);
      log.add('instance', socket instanceof api.WebSocket);
      socket.close();
    },
  },
  {
    name: 'events as a browser has them',
    silent: true,
    server: (socket, { log }) => {
      socket.onmessage = (event) =>
        log.add('onmessage', event.type, event.data, event.target === socket);
      socket.onclose = (event) =>
        log.add('onclose', event.type, event.code, event.reason, event.wasClean);
      socket.onerror = (event) => log.add('onerror', event.type, event.error);
      log.add('attribute', typeof socket.onmessage, socket.onopen);
      const listener = { handleEvent: (event: { type: string }) => log.add('object', event.type) };
      socket.addEventListener('message', listener);
      socket.addEventListener('message', listener);
      socket.addEventListener('message', () => log.add('once'), { once: true });
      socket.on('message', () => log.add('on'));
      const removed = (): void => log.add('removed');
      socket.addEventListener('message', removed);
      socket.removeEventListener('message', removed);
      socket.addEventListener('nonsense' as 'message', removed);
    },
    client: (client) => {
      client.send('text');
      client.send(Buffer.from([1]));
      client.close(1000, 'bye');
    },
  },
  {
    name: 'onmessage: replaced and taken away',
    silent: true,
    server: (socket, { log }) => {
      socket.onmessage = () => log.add('first');
      socket.onmessage = () => {
        log.add('second');
        socket.onmessage = null;
        log.add('attribute', socket.onmessage);
      };
    },
    client: (client) => {
      client.send('a');
      client.send('b');
      client.close();
    },
  },
  {
    name: 'onerror: a fault as an event, and no clean end',
    silent: true,
    server: (socket, { log }) => {
      socket.onerror = (event) => log.add('onerror', event.error, event.message.length > 0);
      socket.onclose = (event) => log.add('onclose', event.code, event.wasClean);
    },
    client: (client) => raw(client, '81 01 61'),
  },
];

export const SOCKET_PROGRAMS: readonly Program[] = [
  ...messages,
  ...faults,
  ...sends,
  ...fragments,
  ...binaryTypes,
  ...control,
  ...endings,
  ...interfaces,
];

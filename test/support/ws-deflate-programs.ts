// Programs with permessage-deflate on both sides. See ws-programs.ts.

import type { Program } from './ws-run.ts';

const TEXT = JSON.stringify({ words: Array.from({ length: 400 }, (_, i) => `word ${i % 20}`) });

const OPTIONS: readonly (readonly [string, NonNullable<Program['options']>])[] = [
  ['as it comes', { perMessageDeflate: true }],
  ['no context of the server', { perMessageDeflate: { serverNoContextTakeover: true } }],
  ['no context of the client', { perMessageDeflate: { clientNoContextTakeover: true } }],
  ['small windows', { perMessageDeflate: { serverMaxWindowBits: 10, clientMaxWindowBits: 10 } }],
  [
    'zlib’s options and a threshold',
    {
      perMessageDeflate: {
        threshold: 64,
        concurrencyLimit: 2,
        zlibDeflateOptions: { level: 9, memLevel: 9 },
      },
    },
  ],
  ['every event in a turn of its own', { perMessageDeflate: true, allowSynchronousEvents: false }],
];

const echoes: readonly Program[] = OPTIONS.map(([name, options]) => ({
  name: `deflate: ${name}`,
  options,
  clientOptions: { perMessageDeflate: { threshold: 0 } },
  server: (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
  },
  client: (client) => {
    const messages = ['', 'a', TEXT, TEXT, Buffer.alloc(100_000, 'ab'), 'grüße'.repeat(1000)];
    for (const message of messages) client.send(message);
    let seen = 0;
    client.on('message', () => {
      if (++seen === messages.length) client.close();
    });
  },
}));

export const DEFLATE_PROGRAMS: readonly Program[] = [
  ...echoes,
  {
    name: 'deflate: the client does not offer it',
    options: { perMessageDeflate: true },
    clientOptions: { perMessageDeflate: false },
    server: (socket) => {
      socket.send(TEXT);
      socket.close();
    },
  },
  {
    name: 'deflate: off at the server',
    options: { perMessageDeflate: false },
    clientOptions: { perMessageDeflate: true },
    server: (socket) => {
      socket.send(TEXT);
      socket.close();
    },
  },
  {
    name: 'deflate: a message that is not to be compressed, and fragments',
    options: { perMessageDeflate: true },
    server: (socket) => {
      socket.send(TEXT, { compress: false });
      socket.send('one ', { fin: false });
      socket.send('two', { fin: true });
      socket.send(TEXT);
      socket.send(new Blob([TEXT]), { binary: false });
      socket.close();
    },
  },
  {
    name: 'deflate: compressed fragments of the client',
    options: { perMessageDeflate: true },
    clientOptions: { perMessageDeflate: { threshold: 0 } },
    client: (client) => {
      client.send(TEXT, { fin: false });
      client.send(TEXT, { fin: true });
      client.close();
    },
  },
  {
    name: 'deflate: a bomb ends at maxPayload',
    options: { perMessageDeflate: true, maxPayload: 10_000 },
    clientOptions: { perMessageDeflate: { threshold: 0 } },
    client: (client) => client.send(Buffer.alloc(1_000_000)),
  },
  {
    name: 'deflate: compressed text that is not UTF-8',
    options: { perMessageDeflate: true },
    clientOptions: { perMessageDeflate: { threshold: 0 } },
    client: (client) => client.send(Buffer.from([0xc3, 0x28]), { binary: false }),
  },
  {
    name: 'deflate: data that is not compressed at all',
    options: { perMessageDeflate: true },
    client: (client) => {
      (client as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
        Buffer.from('c18500000000ffffffffff', 'hex'),
      );
    },
  },
];

// Programs about createWebSocketStream(). See ws-programs.ts.

import { createHash } from 'node:crypto';
import type { Duplex, DuplexOptions } from 'node:stream';
import { pipeline, Readable } from 'node:stream';
import type { Context, Log, Program, ServerSocket } from './ws-run.ts';

function record(stream: Duplex, log: Log): void {
  for (const name of ['end', 'finish', 'close'] as const) stream.on(name, () => log.add(name));
  stream.on('error', (error) => log.add('error', error));
}

/** A program whose server side is a stream; only what the stream says is written down. */
function streamed(
  name: string,
  use: (stream: Duplex, context: Context, socket: ServerSocket) => void,
  client: Program['client'],
  options?: DuplexOptions,
): Program {
  return {
    name: `stream: ${name}`,
    silent: true,
    server: (socket, context) => {
      const stream = context.api.createWebSocketStream(socket, options);
      record(stream, context.log);
      use(stream, context, socket);
    },
    ...(client === undefined ? {} : { client }),
  };
}

export const STREAM_PROGRAMS: readonly Program[] = [
  streamed(
    'messages are chunks, the end of the socket is its end',
    (stream, { log }) => stream.on('data', (chunk) => log.add('data', chunk)),
    (client) => {
      client.send('text');
      client.send(Buffer.from([1, 2]));
      client.close();
    },
  ),
  streamed(
    'strings in object mode',
    (stream, { log }) => stream.on('data', (chunk) => log.add('data', chunk)),
    (client) => {
      client.send('text');
      client.send(Buffer.from([1, 2]));
      client.close();
    },
    { readableObjectMode: true },
  ),
  streamed(
    'echo, with backpressure, of two megabytes',
    (stream) => void stream.pipe(stream),
    (client, log) => {
      const hash = createHash('sha1');
      let length = 0;
      for (let i = 0; i < 32; i++) client.send(Buffer.alloc(65_536, i));
      client.removeAllListeners('message');
      client.on('message', (data: Buffer) => {
        hash.update(data);
        length += data.length;
        if (length < 32 * 65_536) return;
        log.add('hash', hash.digest('hex'));
        client.close();
      });
    },
  ),
  streamed(
    'end() closes the socket when everything is written',
    (stream) => {
      stream.write('one');
      stream.end('two');
      stream.resume();
    },
    undefined,
  ),
  streamed(
    'destroy() ends the socket at once',
    (stream) => {
      stream.destroy();
    },
    undefined,
  ),
  streamed(
    'destroy() with an error reports it',
    (stream) => {
      stream.destroy(new RangeError('mine'));
    },
    undefined,
  ),
  streamed(
    'a fault of the peer is the stream’s error',
    (stream) => stream.resume(),
    (client) => {
      (client as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
        Buffer.from('810161', 'hex'),
      );
    },
  ),
  streamed(
    'the peer goes without a word',
    (stream) => stream.resume(),
    (client) => client.terminate(),
  ),
  streamed(
    'a pipeline into it ends with its source',
    (stream, { log }) => {
      pipeline(Readable.from(['a', 'b', 'c']), stream, (error) => log.add('pipeline', error ?? 0));
      stream.resume();
    },
    undefined,
  ),
];

// State x operation: every method of a ServerResponse in every state of its exchange, with its exact
// outcome, and what its client gets.

import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../../lib/base/errors.ts';
import type { ServerResponse } from '../../../../lib/server/types.ts';
import { type MemoryConnection, settle } from '../../../support/memory-transport.ts';
import { SocketRig } from '../../../support/socket-rig.ts';

type Act = (response: ServerResponse) => unknown;
const REQUEST = 'GET /r HTTP/1.1\r\nHost: a\r\n\r\n';

/** How a response gets into each state, and where the operation is then called. */
const STATES: Readonly<Record<string, (rig: SocketRig, act: Act) => MemoryConnection>> = {
  fresh(rig, act) {
    rig.server.get('/r', (_request, response) => void act(response));
    return request(rig);
  },
  "neighbour's handler"(rig, act) {
    const { connection, response } = waiting(rig);
    rig.server.get('/n', (_request, own) => {
      act(response);
      own.end();
    });
    rig.loop.connect().feed('GET /n HTTP/1.1\r\nHost: a\r\n\r\n');
    return connection;
  },
  streaming(rig, act) {
    const { connection, response } = waiting(rig);
    response.write('begun');
    act(response);
    return connection;
  },
  finished(rig, act) {
    const { connection, response } = waiting(rig);
    response.end('whole');
    act(response);
    return connection;
  },
  'handler threw'(rig, act) {
    let kept: ServerResponse | undefined;
    rig.server.get('/r', (_request, response) => {
      kept = response;
      throw new Error('handler');
    });
    const connection = request(rig);
    if (kept !== undefined) act(kept);
    return connection;
  },
  'client gone'(rig, act) {
    const { connection, response } = waiting(rig);
    connection.reap(-104);
    act(response);
    return connection;
  },
};

function request(rig: SocketRig): MemoryConnection {
  const connection = rig.loop.connect();
  connection.feed(REQUEST);
  return connection;
}

/** A response that its handler has not touched. */
function waiting(rig: SocketRig): { connection: MemoryConnection; response: ServerResponse } {
  const kept: ServerResponse[] = [];
  rig.server.get('/r', (_request, response) => kept.push(response));
  const connection = request(rig);
  const [response] = kept;
  if (response === undefined) throw new Error('not called');
  return { connection, response };
}

const OPERATIONS: Readonly<Record<string, Act>> = {
  'status(201)': (response) => response.status(201) === response,
  'status(99)': (response) => response.status(99),
  'header()': (response) => response.header('X-A', 'b') === response,
  'header(line break)': (response) => response.header('X-A', 'a\r\nb'),
  'write()': (response) => response.write('chunk') === response,
  'end()': (response) => response.end() === response,
  'end(text)': (response) => response.end('text') === response,
  'end(number)': (response) => response.end(1 as unknown as string),
  'json()': (response) => response.json([1]) === response,
  'redirect()': (response) => response.redirect('/x') === response,
  'stream()': (response) => response.stream(Readable.from([])),
  'drained()': (response) => response.drained(),
  'onFinish()': (response) => {
    const told: string[] = [];
    response.onFinish((sent) => told.push(`told ${sent}`));
    return told.join();
  },
  'headSent, finished, pendingBytes': (response) =>
    [response.headSent, response.finished, response.pendingBytes].join(),
};

async function outcome(rig: SocketRig, state: string, operation: string): Promise<string> {
  const words: string[] = [];
  const note = (error: unknown): void => {
    words.push(isSluiceError(error) ? error.code : String(error));
  };
  const act: Act = (response) => {
    try {
      const result = OPERATIONS[operation]?.(response);
      words.push(result instanceof Promise ? 'promise' : String(result));
      if (result instanceof Promise) {
        result.then((value) => words.push(String(value)), note);
      }
    } catch (error) {
      note(error);
    }
  };
  const connection = STATES[state]?.(rig, act);
  if (connection === undefined) throw new Error(`no state ${state}`);
  await settle();
  const [head = '', body = ''] = connection.outputText.split(/\r\n\r\n(.*)/s);
  return [words.join(' '), `${head.slice(9, 12)} ${JSON.stringify(body)}`, connection.state].join(
    ' | ',
  );
}

/** Outcome and answer while the response is fresh, and while it is being streamed. */
interface Row {
  readonly fresh: string;
  readonly streaming: string;
  readonly finished: string;
  /** The client is gone: nothing is sent, whatever is called. */
  readonly gone: string;
}

const BEGUN = '200 "5\\r\\nbegun\\r\\n';
const ROWS: Readonly<Record<string, Row>> = {
  'status(201)': head('true'),
  'status(99)': head('ERR_ARG_RANGE', 'ERR_ARG_RANGE'),
  'header()': head('true'),
  'header(line break)': head('ERR_ARG_RANGE', 'ERR_ARG_RANGE'),
  'write()': {
    fresh: 'true | 200 "5\\r\\nchunk\\r\\n"',
    streaming: `true | ${BEGUN}5\\r\\nchunk\\r\\n"`,
    finished: 'ERR_STATE',
    gone: 'true',
  },
  'end()': {
    fresh: 'true | 200 ""',
    streaming: `true | ${BEGUN}0\\r\\n\\r\\n"`,
    finished: 'ERR_STATE',
    gone: 'true',
  },
  'end(text)': {
    fresh: 'true | 200 "text"',
    streaming: `true | ${BEGUN}4\\r\\ntext\\r\\n0\\r\\n\\r\\n"`,
    finished: 'ERR_STATE',
    gone: 'true',
  },
  'end(number)': {
    fresh: 'ERR_ARG_TYPE |  ""',
    streaming: `ERR_ARG_TYPE | ${BEGUN}"`,
    finished: 'ERR_STATE',
    gone: '[object Object]',
  },
  'json()': {
    fresh: 'true | 200 "[1]"',
    streaming: `ERR_STATE | ${BEGUN}"`,
    finished: 'ERR_STATE',
    gone: 'true',
  },
  'redirect()': {
    fresh: 'true | 302 ""',
    streaming: `ERR_STATE | ${BEGUN}"`,
    finished: 'ERR_STATE',
    gone: 'true',
  },
  'stream()': {
    fresh: 'promise true | 200 "0\\r\\n\\r\\n"',
    streaming: `promise true | ${BEGUN}0\\r\\n\\r\\n"`,
    finished: 'promise true',
    gone: 'promise false',
  },
  'drained()': {
    fresh: 'promise true |  ""',
    streaming: `promise true | ${BEGUN}"`,
    finished: 'promise true',
    gone: 'promise false',
  },
  'onFinish()': {
    fresh: ' |  ""',
    streaming: ` | ${BEGUN}"`,
    finished: 'told true',
    gone: 'told false',
  },
  'headSent, finished, pendingBytes': {
    fresh: 'false,false,0 |  ""',
    streaming: `true,false,0 | ${BEGUN}"`,
    finished: 'true,true,0',
    gone: 'false,true,0',
  },
};

/** Something that concerns the head only. */
function head(outcomeFresh: string, outcomeOver = 'ERR_STATE'): Row {
  return {
    fresh: `${outcomeFresh} |  ""`,
    streaming: `${outcomeOver} | ${BEGUN}"`,
    finished: outcomeOver,
    gone: outcomeFresh,
  };
}

function expected(state: string, operation: string): string {
  const row = ROWS[operation];
  if (row === undefined) throw new Error(`no row ${operation}`);
  if (state === 'streaming') return `${row.streaming} | open`;
  if (state === 'finished') return `${row.finished} | 200 "whole" | open`;
  if (state === 'client gone') return `${row.gone} |  "" | closed`;
  if (state !== 'handler threw') return `${row.fresh} | open`;
  // Its connection is closing, so nothing will drain.
  const result = operation === 'drained()' ? 'promise false' : row.finished;
  return `${result} | 500 "Internal Server Error\\n" | closing`;
}

describe.each(Object.keys(STATES))('%s', (state) => {
  let rig: SocketRig;
  beforeEach(async () => {
    rig = await new SocketRig().listen();
  });

  test.each(Object.keys(OPERATIONS))('%s', async (operation) => {
    expect(await outcome(rig, state, operation)).toBe(expected(state, operation));
  });
});

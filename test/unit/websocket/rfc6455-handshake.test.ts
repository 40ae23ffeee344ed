// RFC 6455 by section, 4: what a server must do with an opening handshake. Each title names the section
// and the requirement in our words; each is exercised through the whole server, on a loop in memory.
// Sections 5 to 10 are in rfc6455-frames.test.ts.

import { beforeEach, describe, expect, test } from 'vitest';
import type { UpgradeDecision } from '../../../lib/server/types.ts';
import { settle } from '../../support/memory-transport.ts';
import { SocketRig } from '../../support/socket-rig.ts';
import { handshakeHead } from '../../support/websocket-client.ts';

let rig: SocketRig;
let decision: UpgradeDecision<unknown> | undefined;

beforeEach(async () => {
  rig = new SocketRig();
  decision = undefined;
  rig.server.websocket('/', { upgrade: () => decision });
  await rig.listen();
});

type Fields = Readonly<Record<string, string | undefined>>;

/** The server's answer to a handshake with changes. */
function answerTo(changes: Fields, firstLine = 'GET / HTTP/1.1', extra = ''): string {
  const connection = rig.loop.connect();
  const head = handshakeHead('/', changes, firstLine);
  connection.feed(extra === '' ? head : head.replace(/\r\n$/, `${extra}\r\n\r\n`));
  return connection.outputText;
}

const statusOf = (answer: string): number => Number(answer.slice(9, 12));

describe('4.2.1: a handshake that lacks something is not accepted', () => {
  const cases: readonly [string, number, Fields, string?][] = [
    ['1: another method than GET', 405, {}, 'POST / HTTP/1.1'],
    ['1: HTTP/1.0', 426, {}, 'GET / HTTP/1.0'],
    ['2: no Host', 400, { Host: undefined }],
    ['3: no Upgrade', 426, { Upgrade: undefined }],
    ['3: an Upgrade to something else', 426, { Upgrade: 'h2c' }],
    ['4: no Connection', 400, { Connection: undefined }],
    ['4: a Connection without the token upgrade', 400, { Connection: 'keep-alive' }],
    ['5: no key', 400, { 'Sec-WebSocket-Key': undefined }],
    ['5: a key of 15 bytes', 400, { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }],
    ['5: a key of 17 bytes', 400, { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAAA=' }],
    ['5: a key that is not base64', 400, { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }],
    ['6: no version', 400, { 'Sec-WebSocket-Version': undefined }],
  ];
  test.each(cases)('%s: %i', (_name, status, changes, firstLine) => {
    expect(statusOf(answerTo(changes, firstLine))).toBe(status);
  });
});

describe('4.2.1: what a server must take', () => {
  const cases: readonly [string, Fields][] = [
    ['3: the word websocket in any case', { Upgrade: 'WebSocket' }],
    ['4: the token upgrade in any case, in a list', { Connection: 'keep-alive, UPGRADE' }],
    ['5: a key that is not looked into', { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }],
    ['7: an Origin, of browsers', { Origin: 'https://any.example' }],
    ['7: none, of others', { Origin: undefined }],
    ['8: subprotocols in order of preference', { 'Sec-WebSocket-Protocol': 'b, a' }],
    ['10: other fields, cookies for example', { Cookie: 'a=b', 'X-Other': 'c' }],
  ];
  test.each(cases)('%s', (_name, changes) => {
    expect(statusOf(answerTo(changes))).toBe(101);
  });
});

describe('4.2.2: the answer of a server', () => {
  test('4: another version is answered with 426 and the versions that are known', () => {
    for (const version of ['0', '8', '12', '14', '99', '13, 8', '013']) {
      const answer = answerTo({ 'Sec-WebSocket-Version': version });
      expect(statusOf(answer)).toBe(426);
      expect(answer).toContain('\r\nSec-WebSocket-Version: 13\r\n');
    }
  });

  test('2, 3: it may ask for credentials, send elsewhere, or refuse, by the hook', () => {
    for (const reject of [302, 401, 403]) {
      decision = { reject, headers: { Location: '/elsewhere' } };
      expect(statusOf(answerTo({}))).toBe(reject);
    }
  });

  test('4: an Origin that is not wanted gets 403', () => {
    rig.server.websocket('/desk', { origins: ['https://desk.example'] });
    const connection = rig.loop.connect();
    connection.feed(handshakeHead('/desk', { Origin: 'https://evil.example' }));
    expect(statusOf(connection.outputText)).toBe(403);
  });

  test('5: 101 with Upgrade, Connection, and the hash of the key and the constant', () => {
    const answer = answerTo({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' });
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toMatch(/\r\nUpgrade: websocket\r\n/);
    expect(answer).toMatch(/\r\nConnection: Upgrade\r\n/);
    // The example of the RFC's section 1.3.
    expect(answer).toContain('\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
  });

  test('5: no subprotocol, unless one of those offered was chosen', async () => {
    expect(answerTo({ 'Sec-WebSocket-Protocol': 'a, b' })).not.toContain('Sec-WebSocket-Protocol');
    decision = { protocol: 'b' };
    const chosen = answerTo({ 'Sec-WebSocket-Protocol': 'a, b' });
    expect(chosen.match(/Sec-WebSocket-Protocol/g)).toHaveLength(1);
    expect(chosen).toContain('\r\nSec-WebSocket-Protocol: b\r\n');
    expect(statusOf(answerTo({ 'Sec-WebSocket-Protocol': 'a' })), 'not offered').toBe(500);
    expect(statusOf(answerTo({})), 'nothing offered').toBe(500);
    await settle();
  });

  test('5: no extension that was not offered', () => {
    expect(answerTo({})).not.toContain('Sec-WebSocket-Extensions');
  });

  test('5: an extension that is unknown is declined, not refused', () => {
    const answer = answerTo({ 'Sec-WebSocket-Extensions': 'x-unknown; parameter=1' });
    expect(statusOf(answer)).toBe(101);
    expect(answer).not.toContain('x-unknown');
  });

  test('5: nothing is between the head and the first frame', () => {
    rig.server.websocket('/hello', { open: (socket) => socket.send('hi') });
    const connection = rig.loop.connect();
    connection.feed(handshakeHead('/hello'));
    expect(connection.outputText).toMatch(/\r\n\r\n\x81\x02hi$/);
  });
});

describe('4.1, 4.3, 11.3: the form of fields', () => {
  test.each([
    ['a key that comes twice', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
    ['a version that comes twice', 'Sec-WebSocket-Version: 8'],
    ['the same subprotocol twice', 'Sec-WebSocket-Protocol: a, a'],
    ['an empty subprotocol', 'Sec-WebSocket-Protocol: a,,b'],
    ['a subprotocol that is no token', 'Sec-WebSocket-Protocol: a b'],
    ['a body', 'Content-Length: 1'],
  ])('%s is refused', (_name, field) => {
    expect(statusOf(answerTo({}, undefined, field))).toBeGreaterThanOrEqual(400);
  });

  test('11.3.4: subprotocols may be spread over several fields', () => {
    decision = { protocol: 'b' };
    const answer = answerTo(
      { 'Sec-WebSocket-Protocol': 'a' },
      undefined,
      'Sec-WebSocket-Protocol: b',
    );
    expect(statusOf(answer)).toBe(101);
  });
});

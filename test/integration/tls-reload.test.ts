// Certificates by name, changed while traffic goes on; tickets over such a change; client
// certificates; and what is said about options that cannot be used.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { isSluiceError, type SluiceError } from '../../lib/base/errors.ts';
import type { TlsInfo, TlsOptions } from '../../lib/server/types.ts';
import { makeCertificate } from '../support/certificates.ts';
import { closed, LOCALHOST, TlsRig, type TlsRigOptions } from '../support/tls-rig.ts';
import { until } from '../support/until.ts';

const rigs: TlsRig[] = [];
const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(options: TlsRigOptions = {}): Promise<TlsRig> {
  const rig = new TlsRig(options);
  rigs.push(rig);
  return rig.start();
}

const authority = makeCertificate({ name: 'authority' });
const other = makeCertificate({ name: 'other.example' });
const wild = makeCertificate({ name: '*.wild.example' });
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/** The common name that the server shows. */
async function nameShown(rig: TlsRig, servername: string): Promise<string> {
  const socket = await rig.connect({ servername, rejectUnauthorized: false });
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.destroy();
  return name;
}

async function infoOf(rig: TlsRig, options: object): Promise<TlsInfo> {
  const { tls } = JSON.parse(await rig.get('/tls', options)) as { tls: TlsInfo };
  return tls;
}

describe('server names', () => {
  test.each([
    ['other.example', 'other.example'],
    ['OTHER.example', 'other.example'],
    ['a.wild.example', '*.wild.example'],
    ['a.b.wild.example', 'localhost'],
    ['unknown.example', 'localhost'],
    ['', 'localhost'],
  ])('%j is shown the certificate of %s', async (asked, shown) => {
    const servers = { 'other.example': other, '*.wild.example': wild };
    const rig = await start({ tls: { servers } });
    expect(await nameShown(rig, asked)).toBe(shown);
  });

  test('a chain file is sent whole', async () => {
    const middle = makeCertificate({ name: 'leaf.example', issuer: authority });
    const chained = { cert: `${middle.cert}\n${authority.cert}`, key: middle.key };
    const rig = await start({ tls: chained });
    const socket = await rig.connect({ ca: authority.cert, servername: 'leaf.example' });
    expect(socket.authorized).toBe(true);
    expect(socket.getPeerCertificate(true).issuerCertificate.subject.CN).toBe('authority');
  });

  test('RSA and ECDSA stand side by side, and keys may be encrypted and lie in files', async () => {
    const rsa = makeCertificate({ name: 'localhost', rsaBits: 2048, passphrase: 'open sesame' });
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    writeFileSync(files.cert, rsa.cert);
    writeFileSync(files.key, rsa.key);
    const rig = await start({
      tls: {
        cert: [LOCALHOST.cert, files.cert],
        key: [Buffer.from(LOCALHOST.key), files.key],
        passphrase: 'open sesame',
      },
    });
    for (const [sigalgs, ca] of [
      ['RSA-PSS+SHA256', rsa.cert],
      ['ECDSA+SHA256', LOCALHOST.cert],
    ] as const) {
      const socket = await rig.connect({ sigalgs, ca });
      expect(socket.authorized).toBe(true);
    }
  });
});

describe('a reload', () => {
  test('changes what new clients see, while old connections go on in the middle of traffic', async () => {
    const rig = await start();
    const client = await rig.client().opened();
    const renewed = makeCertificate({ name: 'localhost', rsaBits: 2048 });
    for (let round = 0; round < 20; round++) {
      rig.server.setTls(round % 2 === 0 ? other : renewed);
      client.ws.send(`round ${round}`);
      await client.hears(round + 1);
      expect(await nameShown(rig, 'x')).toBe(round % 2 === 0 ? 'other.example' : 'localhost');
    }
    expect(client.received.at(-1)).toBe('round 19');
  });

  test('that is wrong changes nothing', async () => {
    const rig = await start();
    expect(() => rig.server.setTls({ cert: other.cert, key: LOCALHOST.key })).toThrow(
      expect.objectContaining({ code: 'ERR_TLS_KEY' }),
    );
    expect(await rig.get('/')).toBe('hello');
  });

  test('needs a listener with TLS', async () => {
    const rig = await start();
    const plain = await rig.server.listen({ host: '127.0.0.1', port: 0 });
    const state = expect.objectContaining({ code: 'ERR_STATE' });
    expect(() => plain.setTls(LOCALHOST)).toThrow(state);
    await rig.server.close();
    expect(() => rig.server.setTls(LOCALHOST)).toThrow(state);
  });
});

describe.each(VERSIONS)('tickets of %s', (version) => {
  const only = { minVersion: version, maxVersion: version } as const;

  /** A session of the server, after a whole exchange. */
  async function sessionOf(rig: TlsRig): Promise<Buffer> {
    const socket: TLSSocket = await rig.connect(only);
    let session: Buffer | undefined = version === 'TLSv1.2' ? socket.getSession() : undefined;
    socket.on('session', (ticket) => {
      session = ticket;
    });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('a ticket', () => session !== undefined && socket.bytesRead > 0);
    socket.destroy();
    return session as Buffer;
  }

  test('resume, also after a reload', async () => {
    const rig = await start();
    expect((await infoOf(rig, { ...only, session: await sessionOf(rig) })).resumed).toBe(true);
    const session = await sessionOf(rig);
    rig.server.setTls(other);
    expect((await infoOf(rig, { ...only, session })).resumed).toBe(true);
  });

  test('are void when the rules for client certificates change, and when switched off', async () => {
    const rig = await start();
    const session = await sessionOf(rig);
    const { cert, key } = rig.identity;
    rig.server.setTls({ cert, key, clientCertificate: 'request', ca: authority.cert });
    expect((await infoOf(rig, { ...only, session })).resumed).toBe(false);
    const without = await start({ tls: { ticketLifetimeS: 0 } });
    const socket = await without.connect({ ...only, session });
    expect(socket.isSessionReused()).toBe(false);
  });
});

describe.each(VERSIONS)('client certificates over %s', (version) => {
  const only = { minVersion: version, maxVersion: version } as const;
  const good = makeCertificate({ name: 'client.example', issuer: authority });
  const bad = makeCertificate({ name: 'client.example', issuer: other });
  const old = makeCertificate({ name: 'client.example', issuer: authority, days: -1 });

  test('none: nobody is asked', async () => {
    const rig = await start();
    expect((await infoOf(rig, { ...only, ...good })).clientCertificate).toBeUndefined();
  });

  test('request: everybody gets in, and is told apart', async () => {
    const tls = { clientCertificate: 'request', ca: authority.cert } as const;
    const rig = await start({ tls });
    expect((await infoOf(rig, only)).clientCertificate).toBeUndefined();
    const info = (await infoOf(rig, { ...only, ...good })).clientCertificate;
    expect(info).toMatchObject({
      name: 'client.example',
      altNames: 'DNS:client.example',
      issuer: 'O=Sluice test\nCN=authority',
      authorized: true,
      reason: '',
    });
    expect(info?.fingerprint256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    for (const [client, reason] of [
      [bad, /unable to get (local )?issuer/],
      [old, /expired/],
    ] as const) {
      const told = (await infoOf(rig, { ...only, ...client })).clientCertificate;
      expect(told).toMatchObject({ name: 'client.example', authorized: false });
      expect(told?.reason).toMatch(reason);
    }
  });

  test('require: only who has a good one gets in', async () => {
    const tls = { clientCertificate: 'require', ca: [authority.cert] } as const;
    const rig = await start({ tls });
    expect((await infoOf(rig, { ...only, ...good })).clientCertificate?.authorized).toBe(true);
    for (const client of [{}, bad, old]) {
      const socket = rig.begin({ ...only, ...client });
      expect(await closed(socket)).toMatch(/ALERT|ECONNRESET/);
    }
    await until('the counts', () => rig.loop.tlsCounts().failed === 3);
    expect(rig.server.connectionCount).toBe(0);
  });
});

describe('options that cannot be used', () => {
  const { cert, key } = LOCALHOST;
  const sealed = makeCertificate({ name: 'x', passphrase: 'right' });
  const weak = makeCertificate({ name: 'weak', rsaBits: 1024 });
  const cases: readonly { name: string; tls: TlsOptions; code: string; says: string }[] = [
    {
      name: 'no PEM',
      tls: { cert: Buffer.from('x'), key },
      code: 'ERR_TLS_CERTIFICATE',
      says: 'tls.cert holds no certificate',
    },
    {
      name: 'a key of another',
      tls: { cert, key: other.key },
      code: 'ERR_TLS_KEY',
      says: 'tls.key does not belong',
    },
    {
      name: 'a key without its passphrase',
      tls: sealed,
      code: 'ERR_TLS_KEY',
      says: 'or an encrypted one',
    },
    {
      name: 'a wrong passphrase',
      tls: { ...sealed, passphrase: 'wrong' },
      code: 'ERR_TLS_KEY',
      says: 'the passphrase opens',
    },
    { name: 'a weak key', tls: weak, code: 'ERR_TLS_CERTIFICATE', says: 'ee key too small' },
    {
      name: 'a file that is not there',
      tls: { cert: '/nowhere/a.pem', key },
      code: 'ERR_TLS_FILE',
      says: 'tls.cert names a file that cannot be read (ENOENT)',
    },
    {
      name: 'a wrong name',
      tls: { cert, key, servers: { '*': other } },
      code: 'ERR_ARG_RANGE',
      says: 'tls.servers',
    },
    {
      name: 'a bad certificate of a name',
      tls: { cert, key, servers: { 'a.b': { cert, key: other.key } } },
      code: 'ERR_TLS_KEY',
      says: 'tls.servers["a.b"].key',
    },
    {
      name: 'no such cipher',
      tls: { cert, key, ciphers: 'NONE-SUCH' },
      code: 'ERR_TLS_SETTING',
      says: 'tls.ciphers',
    },
    {
      name: 'versions the wrong way round',
      tls: { cert, key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' },
      code: 'ERR_ARG_RANGE',
      says: 'tls.minVersion',
    },
    {
      name: 'client certificates without authorities',
      tls: { cert, key, clientCertificate: 'require' },
      code: 'ERR_ARG_RANGE',
      says: 'tls.ca',
    },
    {
      name: 'an authority that is none',
      tls: { cert, key, clientCertificate: 'request', ca: Buffer.from('?') },
      code: 'ERR_TLS_CERTIFICATE',
      says: 'tls.ca holds no certificate',
    },
    {
      name: 'a key for no certificate',
      tls: { cert: [], key: [] },
      code: 'ERR_ARG_RANGE',
      says: 'cert and key',
    },
  ];

  test.each(cases)('$name: $code', async ({ tls, code, says }) => {
    const rig = await start();
    const error = await rig.server.listen({ host: '127.0.0.1', port: 0, tls }).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(isSluiceError(error)).toBe(true);
    const { message } = error as SluiceError;
    expect(error).toMatchObject({ code });
    expect(message).toContain(says);
    for (const secret of [key, other.key, sealed.key, 'right', 'wrong']) {
      expect(message).not.toContain(secret.split('\n')[1] ?? secret);
    }
  });

  test.each([
    ['handshakeTimeoutMs', 100, 600_000],
    ['handshakesMax', 1, 65_536],
    ['ticketLifetimeS', 0, 604_800],
  ] as const)('%s is from %i to %i', async (name, least, most) => {
    const rig = await start();
    for (const value of [least, most]) rig.server.setTls({ cert, key, [name]: value });
    for (const value of [least - 1, most + 1, 1.5]) {
      expect(() => rig.server.setTls({ cert, key, [name]: value })).toThrow(
        expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
      );
    }
  });
});

import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TOKEN_CACHE_MAX, TOKEN_PAGES_MAX } from '../../../lib/gateway/limits.ts';
import {
  createTokenVerifier,
  identityOf,
  mintToken,
  sessionEnd,
} from '../../../lib/gateway/tokens.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const CLAIMS = { id: 'ann', name: 'Ann', role: 'agent', pages: ['100'], ttlSeconds: 600 } as const;

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

function sign(claims: Record<string, unknown>, alg = 'HS256', secret = SECRET): Promise<string> {
  const seconds = clock.now() / 1000;
  const payload = {
    sub: 'ann',
    name: 'Ann',
    role: 'agent',
    pages: ['100'],
    iat: seconds,
    exp: seconds + 600,
  };
  return new SignJWT({ ...payload, ...claims })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(secret));
}

describe('a shared secret', () => {
  test('accepts what mintToken makes', async () => {
    const token = await mintToken(SECRET, CLAIMS, clock.now());
    const result = await createTokenVerifier({ secret: SECRET }, clock).verify(token);
    expect(result).toMatchObject({
      ok: true,
      identity: {
        person: { id: 'ann', name: 'Ann', role: 'agent' },
        issuedAt: clock.now(),
        expiresAt: clock.now() + 600_000,
      },
    });
    if (result.ok) expect(result.identity.scope.pages).toEqual(['100']);
  });

  test.each([
    ['another secret', {}, 'HS256', 'another secret of at least 32 bytes!'],
    ['another algorithm', {}, 'HS512', SECRET],
    ['no subject', { sub: undefined }, 'HS256', SECRET],
    ['an empty subject', { sub: '' }, 'HS256', SECRET],
    ['a long subject', { sub: 'x'.repeat(129) }, 'HS256', SECRET],
    ['no name', { name: undefined }, 'HS256', SECRET],
    ['an unknown role', { role: 'root' }, 'HS256', SECRET],
    ['no pages', { pages: undefined }, 'HS256', SECRET],
    ['an empty list of pages', { pages: [] }, 'HS256', SECRET],
    ['a page that is no id', { pages: ['1/2'] }, 'HS256', SECRET],
    ['a page that is a number', { pages: [100] }, 'HS256', SECRET],
    ['too many pages', { pages: Array(TOKEN_PAGES_MAX + 1).fill('1') }, 'HS256', SECRET],
    ['no expiry', { exp: undefined }, 'HS256', SECRET],
    ['no time of issue', { iat: undefined }, 'HS256', SECRET],
    ['an issue in the future', { iat: 1_800_000_061 }, 'HS256', SECRET],
  ])('refuses %s', async (_name, claims, alg, secret) => {
    const token = await sign(claims, alg, secret);
    const result = await createTokenVerifier({ secret: SECRET }, clock).verify(token);
    expect(result).toMatchObject({ ok: false, status: 401 });
  });

  test.each(['', 'x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.', 'x'.repeat(9_000)])(
    'refuses what is no token: %.20s',
    async (token) => {
      const result = await createTokenVerifier({ secret: SECRET }, clock).verify(token);
      expect(result).toMatchObject({ ok: false, status: 401 });
    },
  );

  test.each([
    [59, true],
    [61, false],
  ])('takes a token %i s after its end: %s', async (seconds, isTaken) => {
    const token = await mintToken(SECRET, CLAIMS, clock.now() - (600 + seconds) * 1000);
    expect((await createTokenVerifier({ secret: SECRET }, clock).verify(token)).ok).toBe(isTaken);
  });

  test('does not remember a token beyond its life', async () => {
    const verifier = createTokenVerifier({ secret: SECRET }, clock);
    const token = await mintToken(SECRET, CLAIMS, clock.now());
    expect((await verifier.verify(token)).ok).toBe(true);
    await clock.advance(659_000);
    expect((await verifier.verify(token)).ok).toBe(true);
    await clock.advance(2_000);
    expect((await verifier.verify(token)).ok).toBe(false);
  });

  test('verifies again what it no longer remembers', async () => {
    const verifier = createTokenVerifier({ secret: SECRET }, clock);
    const first = await mintToken(SECRET, CLAIMS, clock.now());
    const before = await verifier.verify(first);
    const same = await verifier.verify(first);
    for (let i = 0; i < TOKEN_CACHE_MAX; i++) {
      await verifier.verify(await mintToken(SECRET, { ...CLAIMS, id: `agent-${i}` }, clock.now()));
    }
    const after = await verifier.verify(first);
    if (!before.ok || !same.ok || !after.ok) throw new Error('refused');
    expect(same.identity).toBe(before.identity);
    expect(after.identity).not.toBe(before.identity);
  });
});

describe('an identity provider', () => {
  let provider: Server;
  let url: string;
  let answer: string;
  beforeEach(async () => {
    provider = createServer((_request, response) => response.end(answer));
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
    const address = provider.address();
    url =
      typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}/` : '';
  });
  afterEach(() => new Promise((resolve) => provider.close(resolve)));

  async function signed(claims: Record<string, unknown> = {}): Promise<string> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    answer = JSON.stringify({
      keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }],
    });
    const seconds = clock.now() / 1000;
    return new SignJWT({ name: 'Ann', role: 'agent', pages: ['*'], ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject('ann')
      .setIssuer('https://id.example')
      .setAudience('sluice')
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 60)
      .sign(privateKey);
  }

  test.each([
    [{ issuer: 'https://id.example', audience: 'sluice' }, true],
    [{}, true],
    [{ issuer: 'https://other.example' }, false],
    [{ audience: 'other' }, false],
  ])('with %j accepts its token: %s', async (expected, isTaken) => {
    const token = await signed();
    const result = await createTokenVerifier({ jwksUrl: url, ...expected }, clock).verify(token);
    expect(result.ok).toBe(isTaken);
  });

  test('never accepts a symmetric signature', async () => {
    await signed();
    const result = await createTokenVerifier({ jwksUrl: url }, clock).verify(await sign({}));
    expect(result).toMatchObject({ ok: false, status: 401 });
  });

  test('says 503, not 401, when it cannot be asked', async () => {
    const token = await signed();
    answer = 'down';
    const result = await createTokenVerifier({ jwksUrl: url }, clock).verify(token);
    expect(result).toMatchObject({ ok: false, status: 503 });
  });
});

test('a session ends with its token, and with the leeway when it began within it', () => {
  const identity = identityOf(
    { sub: 'a', name: 'A', role: 'agent', pages: ['*'], iat: 0, exp: 100 },
    0,
  );
  if (identity === undefined) throw new Error('refused');
  expect(sessionEnd(identity, 99_999)).toBe(100_000);
  expect(sessionEnd(identity, 100_000)).toBe(160_000);
});

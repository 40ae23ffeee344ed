import { beforeEach, describe, expect, test } from 'vitest';
import { type AdmissionOptions, Admissions, readOffer } from '../../../lib/gateway/admission.ts';
import { createTokenVerifier, mintToken } from '../../../lib/gateway/tokens.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeRequest } from './fakes.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const clock = new ManualClock();
let token: string;
beforeEach(async () => {
  const claims = {
    id: 'ann',
    name: 'Ann',
    role: 'agent',
    pages: ['100'],
    ttlSeconds: 600,
  } as const;
  token = await mintToken(SECRET, claims, clock.now());
});

function admissions(change: Partial<AdmissionOptions> = {}): Admissions {
  return new Admissions({
    publicUrl: undefined,
    origins: [],
    sessionsPerAgent: 2,
    tokens: createTokenVerifier({ secret: SECRET }, clock),
    sessionsOfAgent: () => 0,
    ...change,
  });
}

const bearer = (): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('origin', () => {
  const named = { publicUrl: 'https://chat.example/x', origins: ['https://desk.example'] };
  test.each([
    [named, undefined, true],
    [named, 'https://chat.example', true],
    [named, 'https://desk.example', true],
    [named, 'http://desk.example', false],
    [named, 'https://desk.example.evil.test', false],
    [named, 'http://localhost:3000', false],
    [named, 'null', false],
    [{}, 'http://localhost:3000', true],
    [{}, 'http://127.0.0.1:8080', true],
    [{}, 'http://[::1]:8080', true],
    [{}, 'https://desk.localhost', true],
    [{}, 'https://desk.example', false],
    [{}, 'http://127.0.0.1.evil.test', false],
    [{}, 'null', false],
    [{}, 'file:///etc', false],
  ])('with %j allows %s: %s', (options, origin, isAllowed) => {
    expect(admissions(options).isOriginAllowed(origin)).toBe(isAllowed);
  });

  test('is judged before the token', async () => {
    const headers = { origin: 'https://evil.test' };
    expect(await admissions().decide(new FakeRequest({ headers }))).toMatchObject({ status: 403 });
  });
});

describe('readOffer', () => {
  test.each([
    [{}, { ok: false, status: 401 }],
    [{ authorization: 'Bearer t.t.t' }, { ok: true, token: 't.t.t' }],
    [{ authorization: 'bearer t' }, { ok: true, token: 't' }],
    [{ authorization: 'Basic eDp5' }, { ok: false, status: 400 }],
    [{ authorization: 'Bearer a b' }, { ok: false, status: 400 }],
    [
      { 'sec-websocket-protocol': 'sluice.v1, bearer.t.t.t' },
      { ok: true, token: 't.t.t', protocol: 'sluice.v1' },
    ],
    [
      { 'sec-websocket-protocol': 'sluice.v1', authorization: 'Bearer t' },
      { ok: true, token: 't', protocol: 'sluice.v1' },
    ],
    [{ 'sec-websocket-protocol': 'sluice.v1' }, { ok: false, status: 401 }],
    [{ 'sec-websocket-protocol': 'bearer.t' }, { ok: false, status: 400 }],
    [
      { 'sec-websocket-protocol': 'chat', authorization: 'Bearer t' },
      { ok: false, status: 400 },
    ],
    [{ 'sec-websocket-protocol': 'sluice.v1, bearer.a, bearer.b' }, { ok: false, status: 400 }],
    [
      { 'sec-websocket-protocol': 'sluice.v1, bearer.a', authorization: 'Bearer b' },
      { ok: false, status: 400 },
    ],
    [{ 'sec-websocket-protocol': 'sluice.v1, bearer.' }, { ok: false, status: 401 }],
  ] as [Record<string, string>, object][])('reads %j as %j', (headers, offer) => {
    expect(readOffer(headers)).toMatchObject(offer);
  });
});

describe('limits', () => {
  test.each([
    [1, true],
    [2, false],
    [3, false],
  ])('with %i sessions admits another: %s', async (count, isAdmitted) => {
    const door = admissions({ sessionsOfAgent: () => count });
    const admission = await door.decide(new FakeRequest({ headers: bearer() }));
    expect(admission).toMatchObject(isAdmitted ? { ok: true } : { ok: false, status: 429 });
  });
});

test('answers sluice.v1 only to who offered it', async () => {
  const offered = { 'sec-websocket-protocol': `sluice.v1, bearer.${token}` };
  const browser = await admissions().decide(new FakeRequest({ headers: offered }));
  expect(browser).toMatchObject({ ok: true, protocol: 'sluice.v1' });
  const plain = await admissions().decide(new FakeRequest({ headers: bearer() }));
  expect(plain.ok).toBe(true);
  expect(plain).not.toHaveProperty('protocol');
});

test('refuses a bad token with 401', async () => {
  const headers = { authorization: 'Bearer x.y.z' };
  expect(await admissions().decide(new FakeRequest({ headers }))).toMatchObject({ status: 401 });
});

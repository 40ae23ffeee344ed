import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Admissions } from '../../../lib/gateway/admission.ts';
import { addConsoleRoutes, readConsole } from '../../../lib/gateway/console-route.ts';
import { addRestRoutes } from '../../../lib/gateway/rest.ts';
import { createTokenVerifier, mintToken } from '../../../lib/gateway/tokens.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeRequest, FakeServer } from './fakes.ts';

describe('the console', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-console-'));
    mkdirSync(join(folder, 'assets'));
    writeFileSync(join(folder, 'index.html'), 'page');
    writeFileSync(join(folder, 'assets', 'main.js'), 'script');
    writeFileSync(join(folder, 'secrets.env'), 'no');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['/console/', '/console/', 200, 'page', 'text/html; charset=utf-8'],
    ['/console', '/console/', 200, 'page', 'text/html; charset=utf-8'],
    ['/console/', '/console/assets/main.js', 200, 'script', 'text/javascript; charset=utf-8'],
    ['/console/', '/console/secrets.env', 404, undefined, 'application/problem+json'],
    ['/console/', '/console/assets/../secrets.env', 404, undefined, 'application/problem+json'],
    ['/console/', '/console/assets', 404, undefined, 'application/problem+json'],
    ['/', '/', 200, 'page', 'text/html; charset=utf-8'],
  ])('at %s answers %s with %i', async (path, url, status, body, type) => {
    const server = new FakeServer();
    addConsoleRoutes(server.asServer(), path, await readConsole(folder, '/agent'));
    const route = path === '/' ? 'GET /*' : 'GET /console/*';
    const response = await server.call(route, new FakeRequest({ url }));
    expect(response.code).toBe(status);
    expect(response.headers['content-type']).toBe(type);
    if (body === undefined) return;
    expect(response.body).toBe(body);
    expect(response.headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    expect(response.headers['content-security-policy']).toContain("frame-ancestors 'none'");
  });

  test('tells the page where the agents connect', async () => {
    writeFileSync(
      join(folder, 'index.html'),
      '<meta name="sluice-agents-path" content="/agent" />',
    );
    const files = await readConsole(folder, '/desk/agents');
    expect(files.get('index.html')?.bytes.toString()).toContain('content="/desk/agents"');
  });

  test('sends who forgot the slash to the page', async () => {
    const server = new FakeServer();
    addConsoleRoutes(server.asServer(), '/console/', await readConsole(folder, '/agent'));
    const response = await server.call('GET /console', new FakeRequest({ url: '/console' }));
    expect([response.code, response.headers['location']]).toEqual([308, '/console/']);
  });

  test('that is not built says so', async () => {
    const server = new FakeServer();
    addConsoleRoutes(
      server.asServer(),
      '/console/',
      await readConsole(join(folder, 'nowhere'), '/agent'),
    );
    const response = await server.call('GET /console/*', new FakeRequest({ url: '/console/' }));
    expect(response.code).toBe(503);
    expect(response.problem['detail']).toContain('not built');
  });
});

describe('the API', () => {
  const secret = 'a secret of at least thirty-two bytes';
  const clock = new ManualClock();

  function start(sessions = 0): FakeServer {
    const server = new FakeServer();
    const admissions = new Admissions({
      publicUrl: undefined,
      origins: [],
      sessionsPerAgent: 1,
      tokens: createTokenVerifier({ secret }, clock),
      sessionsOfAgent: () => sessions,
    });
    addRestRoutes(server.asServer(), admissions);
    return server;
  }

  async function ask(server: FakeServer, headers: Record<string, string> = {}) {
    const claims = { id: 'ann', name: 'Ann', role: 'agent', pages: ['*'], ttlSeconds: 60 } as const;
    const token = await mintToken(secret, claims, clock.now());
    const authorization = `Bearer ${token}`;
    const request = new FakeRequest({
      url: '/api/v1/session',
      headers: { authorization, ...headers },
    });
    return server.call('GET /api/v1/session', request);
  }

  test('tells a session what it may', async () => {
    const response = await ask(start());
    expect(JSON.parse(response.body)).toEqual({
      agent: { id: 'ann', name: 'Ann', role: 'agent' },
      pages: ['*'],
      expiresAt: clock.now() + 60_000,
    });
    expect(response.headers['cache-control']).toBe('no-store');
  });

  test.each([
    [{ authorization: 'Bearer x' }, 0, 401],
    [{ authorization: 'Basic x' }, 0, 400],
    [{ origin: 'https://evil.example' }, 0, 403],
    [{}, 1, 429],
  ] as [Record<string, string>, number, number][])(
    'with %j and %i sessions answers as a handshake would: %i',
    async (headers, sessions, status) => {
      const response = await ask(start(sessions), headers);
      expect(response.code).toBe(status);
      expect(response.problem['status']).toBe(status);
    },
  );

  test('knows nothing else', async () => {
    const server = start();
    const missing = await server.call('GET /api/*', new FakeRequest({ url: '/api/v2' }));
    expect(missing.code).toBe(404);
    const wrong = await server.call('PUT /api/*', new FakeRequest({ url: '/api/v1/session' }));
    expect([wrong.code, wrong.headers['allow']]).toEqual([405, 'GET, HEAD']);
  });
});

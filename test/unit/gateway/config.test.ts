// The configuration as operators write it: defaults, overrides, secrets, and faults that name paths only.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  checkConfig,
  configError,
  loadConfig,
  loadDataFolder,
} from '../../../lib/gateway/config.ts';
import { settingsOf } from '../../../lib/gateway/config-settings.ts';

const SECRET = 'a-jwt-secret-of-at-least-32-bytes!';

function minimal(): Record<string, unknown> {
  return {
    messenger: {
      verifyToken: 'verify-me',
      appId: '1234',
      appSecrets: ['app-secret-value'],
      pages: [{ id: '100200300', accessToken: 'page-token-value' }],
    },
    agents: { jwt: { secret: SECRET } },
  };
}

function withValue(path: string, value: unknown): Record<string, unknown> {
  const tree = minimal();
  const keys = path.split('.');
  let node = tree;
  for (const key of keys.slice(0, -1)) {
    node[key] ??= {};
    node = node[key] as Record<string, unknown>;
  }
  node[keys.at(-1) ?? ''] = value;
  return tree;
}

describe('defaults', () => {
  test('a minimal configuration is complete', () => {
    const { config, faults } = checkConfig(minimal());
    expect(faults).toEqual([]);
    expect(config?.listen).toEqual([{ host: '0.0.0.0', port: 8080, proxyProtocol: 'off' }]);
    expect(config?.admin).toEqual({ host: '127.0.0.1', port: 9090 });
    expect(config?.messenger.webhookPath).toBe('/webhook/messenger');
    expect(config?.messenger.graphVersion).toBe('v25.0');
    expect(config?.agents.heartbeatSeconds).toBe(25);
    expect(config?.limits.bodyBytes).toBe(16_777_216);
    expect(config?.console).toEqual({ enabled: true, path: '/console/' });
    expect(config?.journal.retention.days).toBe(90);
  });

  test('becomes the settings of the gateway', () => {
    const { config } = checkConfig({ ...minimal(), publicUrl: 'https://chat.example' });
    if (config === undefined) throw new Error('no configuration');
    const settings = settingsOf(config);
    expect(settings.agents.jwt).toEqual({ secret: SECRET });
    expect(settings.publicUrl).toBe('https://chat.example');
    expect(Object.hasOwn(settingsOf({ ...config, publicUrl: undefined }), 'publicUrl')).toBe(false);
  });
});

describe('faults name the path', () => {
  const cases: readonly [string, unknown, string][] = [
    ['surprise', 1, 'surprise'],
    ['messenger.surprise', 1, 'messenger.surprise'],
    ['messenger.appId', 12, 'messenger.appId'],
    ['messenger.appSecrets', [], 'messenger.appSecrets'],
    ['messenger.graphUrl', 'http://graph.example', 'messenger.graphUrl'],
    ['messenger.humanAgent', true, 'messenger.humanAgent'],
    ['messenger.pages', [], 'messenger.pages'],
    ['workers', 0, 'workers'],
    ['workers', 128, 'workers'],
    ['workers', 'many', 'workers'],
    ['journal', { kind: 'jetstream' }, 'journal.kind'],
    ['listen', [{ port: 70_000 }], 'listen.0.port'],
    ['listen', [{ port: 1, tls: { cert: 'a' } }], 'listen.0.tls.key'],
    ['listen', [{ tls: { cert: 'a', key: 'b', clientCa: 'c' } }], 'listen.0.tls.clientName'],
    ['listen', [{ tls: { cert: 'a', key: 'b', minVersion: 'SSLv3' } }], 'listen.0.tls.minVersion'],
    ['admin', { host: '0.0.0.0' }, 'admin.token'],
    ['agents.jwt', { secret: 'short' }, 'agents.jwt.secret'],
    ['agents.jwt', {}, 'agents.jwt'],
    ['agents.jwt', { secret: SECRET, jwksUrl: 'https://id.example/jwks' }, 'agents.jwt'],
    ['agents.origins', ['https://desk.example/path'], 'agents.origins.0'],
    ['publicUrl', 'http://chat.example', 'publicUrl'],
    ['trustedProxies', ['10.0.0.0/40'], 'trustedProxies.0'],
    ['limits', { connectionsPerIp: -1 }, 'limits.connectionsPerIp'],
    ['forwardedHeader', 'x-real-ip', 'forwardedHeader'],
    ['deny', ['nobody'], 'deny.0'],
    ['listen', [{ proxyProtocol: 'auto' }], 'listen.0.proxyProtocol'],
    ['listen', [{ proxyProtocol: 'required' }], 'trustedProxies'],
    ['limits', { bodyBytes: 4096, bodyBytesTotal: 2048 }, 'limits.bodyBytesTotal'],
    ['data', '', 'data'],
    ['listen', [{ host: 'chat.example' }], 'listen.0.host'],
    ['admin', { host: 'admin.example', token: 'secret' }, 'admin.host'],
    ['listen', [{ port: 81 }, { port: 80 }, { port: 81 }], 'listen.2'],
    ['listen', [{ host: '127.0.0.1', port: 9090 }], 'listen.0'],
    ['messenger.webhookPath', '/console/', 'console.path'],
    ['messenger.webhookPath', '/api/v1/session', 'messenger.webhookPath'],
    ['console', { path: '/api/' }, 'console.path'],
    ['agents.path', '/webhook/messenger/', 'agents.path'],
  ];
  test.each(cases)('%s = %j', (path, value, fault) => {
    const { config, faults } = checkConfig(withValue(path, value));
    expect(config).toBeUndefined();
    expect(faults.map((entry) => entry.path)).toContain(fault);
  });

  test('what differs is no twin: ports that are free, hosts, a console that is off', () => {
    const listen = [{ port: 0 }, { port: 0 }, { host: '127.0.0.1' }, { host: '::1' }];
    const tree = { ...withValue('messenger.webhookPath', '/console'), listen };
    const { faults } = checkConfig({ ...tree, console: { enabled: false } });
    expect(faults).toEqual([]);
  });

  test('every fault at once, and "is missing" for what is absent', () => {
    const { faults } = checkConfig({ agents: {}, workers: 0.5 });
    expect(faults).toContainEqual({ path: 'messenger', message: 'is missing' });
    expect(faults).toContainEqual({ path: 'agents.jwt', message: 'is missing' });
    expect(faults.map((entry) => entry.path)).toContain('workers');
    expect(configError(faults).code).toBe('ERR_CONFIG');
  });

  test('no value appears in any fault', () => {
    const tree = withValue('agents.jwt', { secret: 'hunter2-short', jwksUrl: 'ftp://hunter2' });
    const { faults } = checkConfig({ ...tree, publicUrl: 'ftp://hunter2' });
    expect(faults.length).toBeGreaterThan(0);
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  });
});

describe('the environment', () => {
  test('overrides keys and list members; JSON is JSON', () => {
    const { config } = checkConfig(minimal(), {
      SLUICE_MESSENGER__VERIFY_TOKEN: 'from-env',
      SLUICE_MESSENGER__PAGES__0__ACCESS_TOKEN: 'token-from-env',
      SLUICE_LISTEN: '[{"port":1234}]',
      SLUICE_CONSOLE__ENABLED: 'false',
      SLUICE_LIMITS__BODY_BYTES: '2048',
    });
    expect(config?.messenger.verifyToken).toBe('from-env');
    expect(config?.messenger.pages[0]?.accessToken).toBe('token-from-env');
    expect(config?.listen[0]?.port).toBe(1234);
    expect(config?.console.enabled).toBe(false);
    expect(config?.limits.bodyBytes).toBe(2048);
  });

  test('text that looks like a number stays text where text is wanted', () => {
    const { config } = checkConfig(minimal(), {
      SLUICE_MESSENGER__APP_ID: '1122334455667788990011',
      SLUICE_MESSENGER__VERIFY_TOKEN: '12345',
    });
    expect(config?.messenger.appId).toBe('1122334455667788990011');
    expect(config?.messenger.verifyToken).toBe('12345');
  });

  test('an unknown variable is a fault; the program has some of its own', () => {
    const { faults } = checkConfig(minimal(), { SLUICE_SURPRISE: '1', SLUICE_LOG_LEVEL: 'debug' });
    expect(faults).toEqual([{ path: 'surprise', message: 'is not a known key' }]);
  });
});

describe('secrets', () => {
  test('env: and file: are resolved; a missing one is a fault without a value', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
    writeFileSync(join(folder, 'token'), 'from-file\n');
    const tree = withValue('messenger.verifyToken', 'env:VERIFY');
    (tree['messenger'] as Record<string, unknown>)['pages'] = [
      { id: '1', accessToken: 'file:token' },
      { id: '2', accessToken: 'file:absent' },
    ];
    const ok = checkConfig(
      withValue('messenger.verifyToken', 'env:VERIFY'),
      { VERIFY: 'v' },
      folder,
    );
    expect(ok.config?.messenger.verifyToken).toBe('v');
    const { faults } = checkConfig(tree, {}, folder);
    expect(faults.map((entry) => entry.path)).toEqual([
      'messenger.verifyToken',
      'messenger.pages.1.accessToken',
    ]);
  });
});

describe('files', () => {
  test('JSON and YAML are read; broken ones are a fault', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
    const json = join(folder, 'a.json');
    const yaml = join(folder, 'a.yaml');
    const broken = join(folder, 'broken.json');
    writeFileSync(json, JSON.stringify(minimal()));
    writeFileSync(
      yaml,
      `messenger: {verifyToken: v, appId: "1", appSecrets: [s], pages: [{id: "1", accessToken: t}]}\nagents: {jwt: {secret: ${SECRET}}}\n`,
    );
    writeFileSync(broken, '{"verifyToken": "hunter2"');
    expect(loadConfig(json, {}).faults).toEqual([]);
    expect(loadConfig(yaml, {}).config?.messenger.pages).toHaveLength(1);
    expect(JSON.stringify(loadConfig(broken, {}).faults)).not.toContain('hunter2');
    expect(loadConfig(join(folder, 'absent.json'), {}).faults[0]?.message).toMatch(/ENOENT/);
  });

  // Bug: a syntax error had no place, and one of YAML "cannot be read".
  test.each([
    ['a.json', '{\n  "verifyToken": hunter2\n}', 'is not valid JSON: line 2, column 18'],
    ['a.yaml', 'messenger:\n  verifyToken: "hunter2\n', 'is not valid YAML: line 3, column 1'],
    ['a.yml', 'a: 1\nb: hunter2: x\n', 'is not valid YAML: line 2, column 4'],
    ['a.yaml', 'a: *hunter2\n', 'is not valid YAML'],
  ])('a syntax error in %s names the place, and quotes nothing', (name, text, message) => {
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-config-')), name);
    writeFileSync(file, text);
    expect(loadConfig(file, {}).faults).toEqual([{ path: file, message }]);
  });
});

// Bug: who asked a gateway that runs needed every secret of its configuration.
describe('the data folder alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  function fileOf(tree: unknown): string {
    const file = join(folder, 'some.json');
    writeFileSync(file, JSON.stringify(tree));
    return file;
  }

  test('is read without secrets, and without what else is wrong', () => {
    const tree = { ...withValue('messenger.verifyToken', 'env:NOT_THERE'), workers: 0 };
    expect(loadDataFolder(fileOf(tree), {})).toBe('./.sluice');
    expect(loadDataFolder(fileOf({ ...tree, data: '/var/lib/a' }), {})).toBe('/var/lib/a');
    expect(loadDataFolder(fileOf(tree), { SLUICE_DATA: '/b' })).toBe('/b');
    expect(loadDataFolder(fileOf(tree), { SLUICE_DATA: '7' })).toBe('7');
  });

  test.each([
    ['data: ', { data: '' }],
    ['data: ', { data: 7 }],
    ['must be an object', []],
  ])('"%s" is said of %j', (fault, tree) => {
    expect(() => loadDataFolder(fileOf(tree), {})).toThrow(fault);
  });
});

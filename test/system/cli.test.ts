// The commands as people and scripts run them: what they print, where, and with which exit code.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayProcess, PAGE, SECRETS, textBody } from '../support/gateway-process.ts';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));
const RUN_MS_MAX = 20_000;

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let folder: string;
let gateway: GatewayProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  gateway = await GatewayProcess.create();
  await gateway.start();
});

afterAll(async () => {
  await gateway.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command in the empty folder, to its end. */
async function sluice(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const child = spawn(process.execPath, [SLUICE, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

type Tree = Record<string, unknown>;

/** A configuration file made from the good one; `change` spoils it. */
function configFile(name: string, change: (config: Tree) => void = () => undefined): string {
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Tree;
  change(config);
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(config));
  return file;
}

describe('help and version', () => {
  const commands = ['dev', 'start', 'simulate', 'check', 'token', 'export'];

  test('--help lists the commands, each has its own', async () => {
    const { code, out } = await sluice(['--help']);
    expect(code).toBe(0);
    for (const command of commands) expect(out).toContain(command);
    const helps = await Promise.all(commands.map((command) => sluice([command, '--help'])));
    for (const help of helps) expect([help.code, help.err]).toEqual([0, '']);
  });

  test('--version is the package and nothing else', async () => {
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
    expect(await sluice(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test.each<[string, readonly string[]]>([
    ['an unknown command', ['dance']],
    ['an unknown option', ['check', '--loud']],
    ['a missing option', ['token', '--agent', 'ann']],
    ['a port that is none', ['dev', '--port', '70000']],
    [
      'a life time that is none',
      ['token', '--agent', 'a', '--name', 'A', '--pages', '1', '--ttl', 'x'],
    ],
    [
      'a role that is none',
      ['token', '--agent', 'a', '--name', 'A', '--pages', '1', '--role', 'x'],
    ],
    ['a Page that is none', ['token', '--agent', 'a', '--name', 'A', '--pages', 'x']],
    ['a time that is none', ['export', '--since', 'yesterday']],
    ['a URL that is none', ['simulate', '--gateway', 'x']],
  ])('%s is wrong usage: 2, and stdout stays empty', async (_name, args) => {
    const { code, out, err } = await sluice(args);
    expect([code, out]).toEqual([2, '']);
    expect(err.trim()).not.toBe('');
    expect(err).not.toContain('    at ');
  });
});

test.each(['doctor', 'connect', 'revoke', 'backup', 'restore', 'forget'])(
  '%s says that it is not built yet, and suggests nothing',
  async (name) => {
    const { code, out, err } = await sluice([name, 'ann', '--hard', '-c', 'x.json']);
    expect([code, out, err]).toEqual([1, '', `sluice: ${name} is not built yet in this version\n`]);
  },
);

describe('check', () => {
  test('says ok and exits with 0', async () => {
    const file = configFile('good.json');
    expect(await sluice(['check', '-c', file])).toEqual({ code: 0, out: `${file}: ok\n`, err: '' });
  });

  test.each([
    'sluice.config.json',
    'sluice.config.yml', // JSON is YAML.
  ])('finds %s where it stands, and lets variables override it', async (name) => {
    const file = configFile(name);
    expect((await sluice(['check'])).code).toBe(0);
    const { code, err } = await sluice(['check'], { SLUICE_MESSENGER__GRAPH_VERSION: 'soon' });
    expect(code).toBe(1);
    expect(err).toContain('messenger.graphVersion: ');
    rmSync(file);
  });

  // Bug: where no file was, everything that it would hold was said to be missing.
  test('says first that there is no file, if there is none', async () => {
    const noFile = 'no ./sluice.config.json, .yaml or .yml here; use -c FILE';
    const checked = await sluice(['check']);
    expect([checked.code, checked.err.split('\n')[0]]).toEqual([1, noFile]);
    const asked = await sluice(['status']);
    expect([asked.code, asked.err.split('\n')[1]?.trim()]).toEqual([1, noFile]);
  });

  test('reads YAML', async () => {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, 'messenger:\n  appId: 12\nagents: {}\n');
    const { code, err } = await sluice(['check', '-c', file]);
    expect(code).toBe(1);
    expect(err).toContain('agents.jwt: is missing');
  });

  test('prints every fault with its path, never a value', async () => {
    const file = configFile('bad.json', (config) => {
      const messenger = config['messenger'] as Tree;
      config['listen'] = [{ port: 'wrong-value-1' }];
      config['colour'] = 'wrong-value-2';
      messenger['graphUrl'] = 'http://wrong-value-3.example';
      (messenger['pages'] as Tree[])[1] = { id: 'wrong-value-4', accessToken: 'env:NOT_THERE' };
      config['agents'] = { jwt: { secret: 'wrong-value-5' } };
      delete messenger['verifyToken'];
    });
    const { code, out, err } = await sluice(['check', '-c', file]);
    expect([code, out]).toEqual([1, '']);
    for (const path of [
      'listen.0.port',
      'colour',
      'messenger.graphUrl',
      'messenger.pages.1.id',
      'messenger.pages.1.accessToken',
      'messenger.verifyToken',
      'agents.jwt.secret',
    ]) {
      expect(err).toMatch(new RegExp(`^${path.replaceAll('.', '\\.')}: `, 'm'));
    }
    expect(err).not.toContain('wrong-value');
    expect(err).toMatch(/^7 faults$/m);
  });

  test.each([
    ['is not there', undefined],
    ['is no JSON', `{"verifyToken":"${SECRETS.verifyToken}"`],
    ['is a list', '[]'],
    ['is empty', ''],
  ])('exits with 1 when the file %s', async (_name, text) => {
    const file = join(folder, 'other.json');
    rmSync(file, { force: true });
    if (text !== undefined) writeFileSync(file, text);
    const { code, out, err } = await sluice(['check', '-c', file]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/1 fault/);
    expect(err).not.toContain(SECRETS.verifyToken);
  });
});

describe('token', () => {
  test('prints a JWT alone, with what it was asked for', async () => {
    const asked = ['--agent', 'ann', '--name', 'Ann Ж', '--pages', `${PAGE},5`, '--ttl', '30m'];
    const { code, out, err } = await sluice(['token', ...asked, '-c', gateway.configFile]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = decodeJwt(out.trim());
    expect(claims).toMatchObject({ sub: 'ann', name: 'Ann Ж', role: 'agent', pages: [PAGE, '5'] });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(1_800);
    const session = await fetch(`${gateway.url}/api/v1/session`, {
      headers: { authorization: `Bearer ${out.trim()}` },
    });
    expect(await session.json()).toMatchObject({ agent: { id: 'ann', name: 'Ann Ж' } });
  });

  test('exits with 1 without a secret to sign with', async () => {
    const file = configFile('provider.json', (config) => {
      config['agents'] = { jwt: { jwksUrl: 'https://id.example/keys' } };
    });
    const asked = ['--agent', 'ann', '--name', 'Ann', '--pages', '*', '-c', file];
    expect(await sluice(['token', ...asked])).toMatchObject({ code: 1, out: '' });
  });
});

describe('export', () => {
  const lines = (run: Run): Tree[] => {
    expect([run.code, run.err]).toEqual([0, '']);
    return run.out === ''
      ? []
      : run.out
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Tree);
  };
  const config = (): string[] => ['-c', gateway.configFile];

  test('prints all, a time on, or one conversation, while the gateway runs', async () => {
    expect(await gateway.post(textBody('m_1', '71', 'one'))).toBe(200);
    expect(await gateway.post(textBody('m_2', '72', 'two'))).toBe(200);
    const all = lines(await sluice(['export', ...config()]));
    expect(all.map((record) => record['seq'])).toEqual(all.map((_, index) => index + 1));
    const second = all.find((record) => record['conversation'] === `messenger/${PAGE}/72`) ?? {};
    expect(second).toMatchObject({ kind: 'message.received', prev: 0, data: { text: 'two' } });

    const one = ['--conversation', `messenger/${PAGE}/71`];
    const ofOne = lines(await sluice(['export', ...one, ...config()]));
    expect(ofOne).toEqual(all.filter((record) => record['conversation'] === one[1]));
    expect(ofOne.length).toBeGreaterThan(0);

    const since = Number(second['at']);
    for (const time of [String(since), new Date(since).toISOString()]) {
      const later = lines(await sluice(['export', '--since', time, ...config()]));
      expect(later).toEqual(all.filter((record) => Number(record['at']) >= since));
    }
    expect(lines(await sluice(['export', '--since', '2999-01-01', ...config()]))).toEqual([]);
  });

  test('does not mind a reader that goes away', async () => {
    // More than a pipe holds.
    const long = 'x'.repeat(1_900);
    for (let n = 0; n < 100; n++) await gateway.post(textBody(`m_long-${n}`, '73', long));
    const command = `"${process.execPath}" "${SLUICE}" export -c "${gateway.configFile}" | head -c 5`;
    const out = execFileSync('bash', ['-c', `set -o pipefail; ${command}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(out).toBe('{"seq');
  });

  test('exits with 1 when there is no journal', async () => {
    const file = configFile('nowhere.json', (tree) => {
      tree['data'] = join(folder, 'nowhere');
    });
    const { code, out, err } = await sluice(['export', '-c', file]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('nowhere');
    expect(err).not.toContain('    at ');
  });
});

describe('start', () => {
  test('on a data folder in use says so and exits with 1', async () => {
    const file = configFile('busy.json', (config) => {
      config['listen'] = [{ host: '127.0.0.1', port: 0 }];
      config['admin'] = { host: '127.0.0.1', port: 0 };
    });
    const { code, err } = await sluice(['start', '-c', file]);
    expect(code).toBe(1);
    expect(err).toContain(`process ${gateway.pid} holds ${gateway.data}/sluice.pid`);
    expect((await gateway.admin('/readyz')).status).toBe(200);
  });

  test.each(['listen', 'admin'])('on a foreign port (%s) exits with 1 and says so', async (key) => {
    const foreign = createServer();
    foreign.listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    const { port } = foreign.address() as AddressInfo;
    const file = configFile('port.json', (config) => {
      config['data'] = join(folder, 'port-data');
      const place = { host: '127.0.0.1', port: 0 };
      config['listen'] = [place];
      config['admin'] = place;
      config[key] = key === 'listen' ? [{ ...place, port }] : { ...place, port };
    });
    const { code, err } = await sluice(['start', '-c', file]);
    foreign.close();
    expect(code).toBe(1);
    expect(err).toMatch(/EADDRINUSE|in use/);
    expect(err).toContain(String(port));
    expect(err).not.toContain('    at ');
  });

  // Bug: every listener carries SO_REUSEPORT, so a second gateway with a folder of its own shared the port
  // in silence, and half of the webhooks went into the other journal.
  test('on the port of another gateway exits with 1 and says so', async () => {
    const file = configFile('shared-port.json', (config) => {
      config['data'] = join(folder, 'shared-port-data');
      config['listen'] = [{ host: '127.0.0.1', port: gateway.port }];
      config['admin'] = { host: '127.0.0.1', port: 0 };
    });
    const { code, err } = await sluice(['start', '-c', file]);
    expect(code).toBe(1);
    expect(err).toMatch(/EADDRINUSE/);
    expect(err).toContain(String(gateway.port));
  });

  test('with faults in the configuration prints them and exits with 1', async () => {
    const file = configFile('faults.json', (config) => {
      config['workers'] = 0;
    });
    const { code, err } = await sluice(['start', '-c', file]);
    expect(code).toBe(1);
    expect(err).toMatch(/workers: /);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s', async (signal) => {
    const own = await GatewayProcess.create();
    await own.start();
    const exited = own.exited();
    await own.kill(signal);
    expect(await exited).toBe(0);
    await own.dispose();
  });
});

describe('dev', () => {
  test('refuses a graphUrl that is not loopback', async () => {
    const file = configFile('real.json', (config) => {
      (config['messenger'] as Tree)['graphUrl'] = 'https://graph.facebook.com';
      config['data'] = join(folder, 'dev-data');
    });
    const { code, out, err } = await sluice(['dev', '-c', file]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('messenger.graphUrl: must be loopback');
  });
});

test('simulate prints what the gateway needs, as a configuration that check accepts', async () => {
  const child = spawn(process.execPath, [SLUICE, 'simulate', '--port', '0'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let text = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (text !== '' || line === '{') text += `${line}\n`;
    if (line === '}') break;
  }
  const printed = JSON.parse(text) as { messenger: Tree & { graphUrl: string } };
  expect((await fetch(`${printed.messenger.graphUrl}/`)).status).toBe(200);
  const { port } = new URL(printed.messenger.graphUrl);
  const second = await sluice(['simulate', '--port', port]);
  expect([second.code, second.out]).toEqual([1, '']);
  expect(second.err).toContain(`127.0.0.1:${port} cannot be listened on: EADDRINUSE.`);
  child.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
  const file = join(folder, 'simulated.json');
  const agents = { jwt: { secret: SECRETS.jwtSecret } };
  writeFileSync(file, JSON.stringify({ ...printed, agents }));
  expect(await sluice(['check', '-c', file])).toMatchObject({ code: 0 });
});

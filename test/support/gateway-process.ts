// The gateway as operators run it: `sluice start` in a process of its own, on a data folder of its own,
// to be killed and started again. Also signed webhooks, tokens and the exported journal.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request as undiciRequest } from 'undici';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url));
const START_MS_MAX = 15_000;

/** Unlikely words, so that a search for them finds only leaks. */
export const SECRETS = {
  verifyToken: 'verify-tok-Zq8',
  appSecret: 'app-secret-Xw3kQ9',
  accessToken: 'page-access-tok-Vb7',
  jwtSecret: 'jwt-secret-with-at-least-32-bytes-Nm5',
  adminToken: 'admin-tok-Rt6',
} as const;
export const PAGE = '112233445566778';
export const OTHER_PAGE = '998877665544332';

export interface ExportedRecord {
  readonly seq: number;
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

export function sign(body: string, secret: string = SECRETS.appSecret): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** A customer's text message as Meta posts it. */
export function textBody(
  mid: string,
  user: string,
  text: string,
  at = Date.now(),
  page = PAGE,
): string {
  const event = {
    sender: { id: user },
    recipient: { id: page },
    timestamp: at,
    message: { mid, text },
  };
  return JSON.stringify({
    object: 'page',
    entry: [{ id: page, time: Date.now(), messaging: [event] }],
  });
}

export interface GatewayProcessOptions {
  readonly graphUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Pages beside PAGE and OTHER_PAGE. */
  readonly pages?: readonly string[];
}

export class GatewayProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-system-'));
  readonly data = join(this.folder, 'data');
  readonly configFile = join(this.folder, 'sluice.config.json');
  readonly port: number;
  readonly adminPort: number;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  /** Everything that any of the processes printed. */
  output = '';

  private constructor(port: number, adminPort: number, options: GatewayProcessOptions) {
    this.port = port;
    this.adminPort = adminPort;
    this.#env = options.env ?? {};
    const config = {
      listen: [{ host: '127.0.0.1', port }],
      admin: { host: '127.0.0.1', port: adminPort, token: SECRETS.adminToken },
      data: this.data,
      messenger: {
        verifyToken: SECRETS.verifyToken,
        appId: '1122334455667788',
        appSecrets: [SECRETS.appSecret],
        graphUrl: options.graphUrl ?? 'http://127.0.0.1:9',
        pages: [
          { id: PAGE, name: 'Page', accessToken: SECRETS.accessToken },
          { id: OTHER_PAGE, name: 'Other', accessToken: SECRETS.accessToken },
          ...(options.pages ?? []).map((id) => ({
            id,
            name: id,
            accessToken: SECRETS.accessToken,
          })),
        ],
      },
      agents: { jwt: { secret: SECRETS.jwtSecret }, sessionsPerAgent: 1000 },
      ...options.config,
    };
    writeFileSync(this.configFile, JSON.stringify(config));
  }

  /** Writes the configuration anew, with these members changed; it counts from the next reload on. */
  writeConfig(change: Readonly<Record<string, unknown>>): void {
    const config = JSON.parse(readFileSync(this.configFile, 'utf8')) as object;
    writeFileSync(this.configFile, JSON.stringify({ ...config, ...change }));
  }

  static async create(options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
    return new GatewayProcess(await freePort(), await freePort(), options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get webhookUrl(): string {
    return `${this.url}/webhook/messenger`;
  }

  get agentUrl(): string {
    return `ws://127.0.0.1:${this.port}/agent`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when the gateway listens. @throws when it ended, or took too long */
  start(): Promise<void> {
    const child = spawn(process.execPath, [SLUICE, 'start', '-c', this.configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.output += chunk.toString();
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The gateway took too long.')), START_MS_MAX);
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.output += `${line}\n`;
        if (!line.includes('"msg":"listening"')) return;
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`The gateway ended with ${code}: ${this.output.slice(-2000)}`));
      });
    });
  }

  /** Sends a signal to the process, and waits for nothing. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** The newest line of its log that says `message` of that place: the pid in it; 0 without one. */
  pidOf(slot: number, message = 'worker ready'): number {
    const lines = this.output.split('\n').reverse();
    const line = lines.find((text) => text.includes(`"slot":${slot},`) && text.includes(message));
    return Number(/"slot":\d+,"pid":(\d+)/.exec(line ?? '')?.[1] ?? 0);
  }

  /** How often its log says it. */
  countOf(text: string): number {
    return this.output.split(text).length - 1;
  }

  /** Resolves with the exit code when the process is gone by itself. */
  exited(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null)
      return Promise.resolve(child?.exitCode ?? 0);
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  /** Stops the process and removes the folder. */
  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  command(...args: readonly string[]): string {
    return execFileSync(process.execPath, [SLUICE, ...args, '-c', this.configFile], {
      encoding: 'utf8',
      maxBuffer: 512 * 1024 * 1024,
    });
  }

  token(agent: string, pages = PAGE, role = 'agent'): string {
    return this.command(
      ...['token', '--agent', agent, '--name', `Agent ${agent}`, '--pages', pages, '--role', role],
    ).trim();
  }

  records(): ExportedRecord[] {
    const lines = this.command('export').trimEnd().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ExportedRecord);
  }

  /** Posts a signed body; @returns the status, or 0 when the connection failed. */
  async post(body: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    try {
      const answer = await undiciRequest(this.webhookUrl, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-hub-signature-256': sign(body),
          ...headers,
        },
        body,
        headersTimeout: 10_000,
      });
      await answer.body.dump();
      return answer.statusCode;
    } catch {
      return 0; // Refused or reset: Meta would send it again.
    }
  }

  async admin(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await undiciRequest(`http://127.0.0.1:${this.adminPort}${path}`, {
      headers: { authorization: `Bearer ${SECRETS.adminToken}` },
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }
}

/** A small seeded generator (mulberry32); uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

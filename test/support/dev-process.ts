// `sluice dev` as a newcomer runs it, on free ports and a data folder of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './gateway-process.ts';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url));
const START_MS_MAX = 15_000;

export interface DevAddresses {
  readonly consoleLink: string;
  readonly phone: string;
  readonly admin: string;
}

export class DevProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-dev-'));
  readonly #ports: readonly number[];
  #child: ChildProcess | undefined;
  output = '';

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  static async create(): Promise<DevProcess> {
    return new DevProcess([await freePort(), await freePort(), await freePort()]);
  }

  /** Resolves with the printed addresses. @throws when it ended, or took too long */
  start(): Promise<DevAddresses> {
    const [port, simulator, admin] = this.#ports.map(String);
    const args = ['--port', port ?? '', '--simulator-port', simulator ?? '', '--admin-port'];
    args.push(admin ?? '', '--data', this.folder);
    const child = spawn(process.execPath, [SLUICE, 'dev', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let printed = '';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('sluice dev took too long')), START_MS_MAX);
      const look = (chunk: Buffer): void => {
        printed += chunk.toString();
        this.output += chunk.toString();
        const addresses = parseAddresses(printed);
        if (addresses === undefined) return;
        clearTimeout(timer);
        resolve(addresses);
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      child.once('exit', (code) => reject(new Error(`sluice dev ended with ${code}: ${printed}`)));
    });
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? 0;
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return gone;
  }

  async dispose(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function parseAddresses(text: string): DevAddresses | undefined {
  const find = (label: string): string | undefined =>
    new RegExp(`${label}\\s+(http\\S+)`).exec(text)?.[1];
  const consoleLink = find("Agents' console");
  const phone = find("Customer's phone");
  const admin = find('Admin');
  if (consoleLink === undefined || phone === undefined || admin === undefined) return undefined;
  return { consoleLink, phone, admin };
}

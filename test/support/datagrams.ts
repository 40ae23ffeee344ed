// A Unix datagram socket that keeps what it is sent, as a service manager's: Node has none, so python3 does it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { loadNative } from '../../lib/native/load.ts';
import { until } from './until.ts';

const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace('@', '\\0', 1))
print('"bound"', flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`;

export class Datagrams {
  readonly texts: string[] = [];
  readonly #child: ChildProcess;
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
    this.#child = spawn('python3', ['-c', RECEIVER, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.#child.stdout === null) throw new Error('no pipe');
    const lines = createInterface({ input: this.#child.stdout });
    lines.on('line', (line) => this.texts.push(JSON.parse(line) as string));
  }

  /** @param name a path, or '@' and an abstract name */
  static async open(name: string): Promise<Datagrams> {
    const datagrams = new Datagrams(name);
    await until('the datagram socket', () => datagrams.texts.shift() === 'bound', 10_000);
    return datagrams;
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }

  /** Resolves when so many have a line of that form. */
  async says(line: RegExp, count = 1): Promise<void> {
    const what = `${count} times ${line} among ${JSON.stringify(this.texts)}`;
    await until(what, () => this.count(line) >= count, 15_000).catch((error: unknown) => {
      throw new Error(`${String(error)}; now ${JSON.stringify(this.texts)}`);
    });
  }

  count(line: RegExp): number {
    return this.texts.filter((text) => line.test(text)).length;
  }

  /** What comes between now and the end of `task`. */
  async during(task: () => Promise<unknown>): Promise<readonly string[]> {
    await this.#mark('begin');
    const from = this.texts.length;
    await task();
    await this.#mark('end');
    return this.texts.slice(from, -1);
  }

  async #mark(text: string): Promise<void> {
    const marks = this.count(new RegExp(`^mark ${text}$`));
    const path = Buffer.from(this.#name.replace('@', '\0'));
    const error = loadNative().sendDatagram(path, Buffer.from(`mark ${text}`));
    if (error !== 0) throw new Error(`sendDatagram ${error}`);
    await this.says(new RegExp(`^mark ${text}$`), marks + 1);
  }
}

// nginx and haproxy from Debian, in front of a server of ours: each with its configuration in a folder of
// its own, started in the foreground, gone at stop().

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestIdentity } from './certificates.ts';
import { until } from './until.ts';

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** Ports of ours: plain HTTP, and one that requires PROXY headers. */
export interface Behind {
  readonly http: number;
  readonly proxied: number;
}

export class FrontProxy {
  readonly #process: ChildProcess;
  readonly #folder: string;
  /** What it listens on, by the names that its configuration was made with. */
  readonly ports: Readonly<Record<string, number>>;
  #errors = '';

  private constructor(
    command: string,
    folder: string,
    args: readonly string[],
    ports: Readonly<Record<string, number>>,
  ) {
    this.#folder = folder;
    this.ports = ports;
    this.#process = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
  }

  static async nginx(behind: Behind, identity: TestIdentity): Promise<FrontProxy> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'));
    const ports = { http: await freePort(), https: await freePort(), stream: await freePort() };
    writeFileSync(join(folder, 'cert.pem'), identity.cert);
    writeFileSync(join(folder, 'key.pem'), identity.key);
    writeFileSync(join(folder, 'nginx.conf'), nginxText(folder, ports, behind));
    const args = ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')];
    return new FrontProxy('/usr/sbin/nginx', folder, args, ports).#listening();
  }

  /**
   * nginx with what stands inside `http { }` in a document, whose addresses and files are put in place.
   * @param block listens at 443, passes to 127.0.0.1:8080
   */
  static async nginxOf(block: string, port: number, identity: TestIdentity): Promise<FrontProxy> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'));
    const ports = { https: await freePort() };
    writeFileSync(join(folder, 'cert.pem'), identity.cert);
    writeFileSync(join(folder, 'key.pem'), identity.key);
    const http = block
      .replace('listen 443 ssl', `listen 127.0.0.1:${ports.https} ssl`)
      .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replace(/ssl_certificate +[^;]+;/, `ssl_certificate ${folder}/cert.pem;`)
      .replace(/ssl_certificate_key +[^;]+;/, `ssl_certificate_key ${folder}/key.pem;`);
    const text = `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events { worker_connections 1024; }
http { access_log off; ${temporaryPaths(folder)}
${http}}
`;
    writeFileSync(join(folder, 'nginx.conf'), text);
    const args = ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')];
    return new FrontProxy('/usr/sbin/nginx', folder, args, ports).#listening();
  }

  static async haproxy(behind: Behind): Promise<FrontProxy> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-haproxy-'));
    const ports = { one: await freePort(), two: await freePort(), checked: await freePort() };
    writeFileSync(join(folder, 'haproxy.cfg'), haproxyText(ports, behind));
    const args = ['-db', '-f', join(folder, 'haproxy.cfg')];
    return new FrontProxy('/usr/sbin/haproxy', folder, args, ports).#listening();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null && this.#process.kill('SIGKILL')) await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #listening(): Promise<this> {
    for (const port of Object.values(this.ports)) {
      let isOpen = false;
      const knock = (): void => {
        const probe = connect(port, '127.0.0.1', () => {
          isOpen = true;
          probe.destroy();
        });
        probe.on('error', () => setTimeout(knock, 10));
      };
      knock();
      await until(`port ${port}`, () => isOpen || this.#process.exitCode !== null);
    }
    if (this.#process.exitCode !== null) throw new Error(`the proxy has ended: ${this.#errors}`);
    return this;
  }
}

function nginxText(folder: string, ports: Record<string, number>, behind: Behind): string {
  const location = `location / {
        proxy_pass http://127.0.0.1:${behind.http};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Forwarded "$proxy_add_forwarded";
      }`;
  return `load_module ${STREAM_MODULE};
daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events { worker_connections 256; }
stream {
  server { listen 127.0.0.1:${ports['stream']}; proxy_pass 127.0.0.1:${behind.proxied}; proxy_protocol on; }
}
http {
  access_log off;
  ${temporaryPaths(folder)}
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  map $http_forwarded $proxy_add_forwarded {
    default "$http_forwarded, for=$remote_addr;proto=$scheme";
    ''      "for=$remote_addr;proto=$scheme";
  }
  server { listen 127.0.0.1:${ports['http']}; ${location} }
  server {
    listen 127.0.0.1:${ports['https']} ssl;
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    ${location}
  }
}
`;
}

function temporaryPaths(folder: string): string {
  return `client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;`;
}

function haproxyText(ports: Record<string, number>, behind: Behind): string {
  const listen = (name: string, how: string): string => `listen ${name}
  bind 127.0.0.1:${ports[name]}
  server ours 127.0.0.1:${behind.proxied} ${how}
`;
  return `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${listen('one', 'send-proxy')}${listen('two', 'send-proxy-v2')}${listen('checked', 'send-proxy-v2 proxy-v2-options crc32c,unique-id')}`;
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

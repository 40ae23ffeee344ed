// What set() takes: checked by name and type, and turned into the options of the engine and the server. Three
// lists say what is not taken; docs/swoole.md has them with the reasons.

import { SluiceError } from '../../base/errors.ts';
import type { TlsIdentity, TlsOptions } from '../../net/tls-options.ts';
import { WORKERS_MAX } from '../../process/limits.ts';
import {
  SWOOLE_SOCK_TCP,
  SWOOLE_SOCK_TCP6,
  SWOOLE_SOCK_UNIX_STREAM,
  SWOOLE_SSL,
} from './constants.ts';

/** Settings of a Swoole server that mean something here. Sizes are bytes, times seconds. */
export interface Settings {
  /** Worker processes, default 1. */
  worker_num?: number;
  task_worker_num?: number;
  /** A worker that has had so many requests and messages is replaced. */
  max_request?: number;
  /** Whom the processes are once the ports are bound; needs root. */
  user?: string;
  group?: string;
  websocket_subprotocol?: string;
  websocket_compression?: boolean;
  open_websocket_protocol?: boolean;
  open_http_protocol?: boolean;
  open_websocket_close_frame?: boolean;
  open_websocket_ping_frame?: boolean;
  open_websocket_pong_frame?: boolean;
  heartbeat_check_interval?: number;
  heartbeat_idle_time?: number;
  package_max_length?: number;
  socket_buffer_size?: number;
  buffer_output_size?: number;
  buffer_high_watermark?: number;
  buffer_low_watermark?: number;
  max_connection?: number;
  max_conn?: number;
  max_wait_time?: number;
  backlog?: number;
  pid_file?: string;
  open_tcp_keepalive?: boolean;
  tcp_keepidle?: number;
  /** Milliseconds, as in tcp(7). */
  tcp_user_timeout?: number;
  ssl_cert_file?: string;
  ssl_key_file?: string;
  ssl_ciphers?: string;
  ssl_client_cert_file?: string;
  ssl_verify_peer?: boolean;
  ssl_sni_certs?: Readonly<Record<string, { ssl_cert_file: string; ssl_key_file: string }>>;
  document_root?: string;
  enable_static_handler?: boolean;
  readonly [name: string]: unknown;
}

type Kind = 'bytes' | 'seconds' | 'count' | 'number' | 'flag' | 'text' | 'record';

export const TAKEN: Readonly<Record<string, Kind>> = {
  worker_num: 'count',
  task_worker_num: 'number',
  max_request: 'number',
  user: 'text',
  group: 'text',
  websocket_subprotocol: 'text',
  websocket_compression: 'flag',
  open_websocket_protocol: 'flag',
  open_http_protocol: 'flag',
  open_websocket_close_frame: 'flag',
  open_websocket_ping_frame: 'flag',
  open_websocket_pong_frame: 'flag',
  heartbeat_check_interval: 'seconds',
  heartbeat_idle_time: 'seconds',
  package_max_length: 'bytes',
  socket_buffer_size: 'bytes',
  buffer_output_size: 'bytes',
  buffer_high_watermark: 'bytes',
  buffer_low_watermark: 'bytes',
  max_connection: 'count',
  max_conn: 'count',
  max_wait_time: 'seconds',
  backlog: 'count',
  pid_file: 'text',
  open_tcp_keepalive: 'flag',
  tcp_keepidle: 'seconds',
  tcp_user_timeout: 'count',
  ssl_cert_file: 'text',
  ssl_key_file: 'text',
  ssl_ciphers: 'text',
  ssl_client_cert_file: 'text',
  ssl_verify_peer: 'flag',
  ssl_sni_certs: 'record',
  document_root: 'text',
  enable_static_handler: 'flag',
};

/** They have no effect, and a warning says so: the program means the same without them. */
export const WITHOUT_EFFECT: readonly string[] = [
  'reactor_num',
  'single_thread',
  'dispatch_mode',
  'max_coroutine',
  'enable_coroutine',
  'hook_flags',
  'send_yield',
  'send_timeout',
  'max_queued_bytes',
  'open_cpu_affinity',
  'tcp_fastopen',
  'tcp_defer_accept',
  'enable_reuse_port',
  'open_tcp_nodelay',
  'log_level',
  'log_rotation',
  'reload_async',
  'max_request_grace',
  'http_compression',
  'ssl_dhparam',
  'ssl_ecdh_curve',
];

/** They would change what the program does, and are refused unless they are off. */
export const REFUSED: readonly string[] = [
  'dispatch_func',
  'daemonize',
  'chroot',
  'log_file',
  'stats_file',
  'admin_server',
  'bootstrap',
  'websocket_mask',
  'ssl_protocols',
  'enable_delay_receive',
  'open_eof_check',
  'open_eof_split',
  'open_length_check',
  'open_http2_protocol',
  'open_mqtt_protocol',
];

/** Bounds where Swoole has others than the library. */
export const DEFAULTS = {
  packageBytesMax: 2 * 1024 * 1024,
  queueBytes: 2 * 1024 * 1024,
  waitSeconds: 3,
  keepIdleSeconds: 3600,
} as const;

const BYTES_MAX = 0x3fffffff;
const SECONDS_MAX = 2_000_000;

/**
 * @returns the names that have no effect
 * @throws SluiceError ERR_ARG_RANGE for an unknown name or a value out of range, ERR_UNSUPPORTED for
 *   what is not served
 */
export function checkSettings(settings: Settings): string[] {
  const idle: string[] = [];
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(TAKEN, name) ? TAKEN[name] : undefined;
    if (kind !== undefined) checkValue(name, value, kind);
    else if (WITHOUT_EFFECT.includes(name)) idle.push(name);
    else if (!REFUSED.includes(name)) throw wrong(`There is no setting ${name}.`);
    else if (isOn(value)) throw unsupported(`${name} is not served: docs/swoole.md.`);
  }
  const { worker_num: workers = 1, task_worker_num: taskWorkers = 0 } = settings;
  if (workers + taskWorkers > WORKERS_MAX) {
    throw wrong(`worker_num and task_worker_num are ${WORKERS_MAX} together at most.`);
  }
  return idle;
}

function isOn(value: unknown): boolean {
  return value !== false && value !== 0 && value !== '' && value !== null;
}

function checkValue(name: string, value: unknown, kind: Kind): void {
  if (kind === 'flag') {
    if (typeof value !== 'boolean') throw wrong(`${name} is true or false.`);
  } else if (kind === 'text') {
    if (typeof value !== 'string' || value === '') throw wrong(`${name} is a text.`);
  } else if (kind === 'record') {
    if (typeof value !== 'object' || value === null) throw wrong(`${name} is an object.`);
  } else {
    const most = kind === 'seconds' ? SECONDS_MAX : BYTES_MAX;
    const least = kind === 'seconds' || kind === 'number' ? 0 : 1;
    const isWhole = kind === 'seconds' || Number.isInteger(value);
    if (typeof value !== 'number' || !isWhole || !(value >= least && value <= most)) {
      throw wrong(`${name} is a number from ${least} to ${most}.`);
    }
  }
}

/** @throws SluiceError ERR_ARG_RANGE without a certificate and its key */
export function tlsOf(settings: Settings): TlsOptions {
  const { ssl_cert_file: cert, ssl_key_file: key, ssl_client_cert_file: ca } = settings;
  if (cert === undefined || key === undefined) {
    throw wrong('SWOOLE_SSL needs ssl_cert_file and ssl_key_file.');
  }
  const servers: Record<string, TlsIdentity> = {};
  for (const [name, files] of Object.entries(settings.ssl_sni_certs ?? {})) {
    servers[name] = { cert: files.ssl_cert_file, key: files.ssl_key_file };
  }
  return {
    cert,
    key,
    servers,
    ...(ca === undefined ? {} : { ca }),
    ...(settings.ssl_ciphers === undefined ? {} : { ciphers: settings.ssl_ciphers }),
    ...(settings.ssl_verify_peer === true ? { clientCertificate: 'require' as const } : {}),
  };
}

/** @throws SluiceError ERR_UNSUPPORTED for datagrams and types that are none */
export function checkType(type: number): void {
  const base = type & ~SWOOLE_SSL;
  if ([SWOOLE_SOCK_TCP, SWOOLE_SOCK_TCP6, SWOOLE_SOCK_UNIX_STREAM].includes(base)) return;
  throw new SluiceError('ERR_UNSUPPORTED', 'A server listens on TCP or a Unix stream socket.');
}

function wrong(message: string): SluiceError {
  return new SluiceError('ERR_ARG_RANGE', message);
}

function unsupported(message: string): SluiceError {
  return new SluiceError('ERR_UNSUPPORTED', message);
}

// What set() takes: checked by name and type, and turned into the options of the engine and the server. Three
// lists say what is not taken; docs/swoole.md has them with the reasons.

import { SluiceError } from '../../base/errors.ts';
import type { TlsIdentity, TlsOptions } from '../../net/tls-options.ts';

/** Settings of a Swoole server that mean something here. Sizes are bytes, times seconds. */
export interface Settings {
  /** One process is all there is yet. */
  worker_num?: number;
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

type Kind = 'bytes' | 'seconds' | 'count' | 'flag' | 'text' | 'record';

export const TAKEN: Readonly<Record<string, Kind>> = {
  worker_num: 'count',
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
  'task_worker_num',
  'max_request',
  'dispatch_func',
  'daemonize',
  'user',
  'group',
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
 *   what is not served, worker_num above 1 among it
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
  if (settings.worker_num !== undefined && settings.worker_num !== 1) {
    throw unsupported('worker_num is 1: one process serves.');
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
    const least = kind === 'seconds' ? 0 : 1;
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

function wrong(message: string): SluiceError {
  return new SluiceError('ERR_ARG_RANGE', message);
}

function unsupported(message: string): SluiceError {
  return new SluiceError('ERR_UNSUPPORTED', message);
}

// What the server tells about its connections and itself, under Swoole's names.

import type { WebSocketContext } from '../../server/websocket/websocket-context.ts';
import type { Client } from './clients.ts';
import { SWOOLE_SSL } from './constants.ts';

/** Times are seconds since 1970, sizes bytes. */
export interface ClientInfo {
  readonly server_port: number;
  readonly socket_type: number;
  readonly remote_ip: string;
  readonly remote_port: number;
  readonly reactor_id: number;
  readonly worker_id: number;
  readonly connect_time: number;
  /** The same as last_recv_time, as in Swoole. */
  readonly last_time: number;
  readonly last_recv_time: number;
  readonly last_send_time: number;
  readonly close_errno: number;
  readonly send_queued_bytes: number;
  /** Set by bind(). */
  readonly uid?: number;
  /** Not on a port without a protocol. */
  readonly websocket_status?: number;
}

export function clientInfoOf(client: Client, workerId: number): ClientInfo {
  const { connection, port, uid } = client;
  return {
    server_port: port.port,
    socket_type: port.type & ~SWOOLE_SSL,
    remote_ip: connection.remoteAddress,
    remote_port: connection.remotePort,
    reactor_id: 0,
    worker_id: workerId,
    connect_time: Math.floor(client.connectedAt / 1000),
    last_time: client.lastReceivedAt / 1000,
    last_recv_time: client.lastReceivedAt / 1000,
    last_send_time: client.lastSentAt / 1000,
    close_errno: 0,
    send_queued_bytes: connection.pendingBytes,
    ...(uid === undefined ? {} : { uid }),
    ...(client.raw === undefined ? { websocket_status: client.status } : {}),
  };
}

export interface Stats {
  /** Seconds since 1970. */
  readonly start_time: number;
  readonly connection_num: number;
  readonly accept_count: number;
  readonly close_count: number;
  /** Refused because of max_connection. */
  readonly abort_count: number;
  readonly worker_num: number;
  readonly task_worker_num: number;
  readonly worker_request_count: number;
  /** Messages and requests that came in. */
  readonly request_count: number;
  /** Messages and answers that went out. */
  readonly response_count: number;
  readonly total_recv_bytes: number;
  readonly total_send_bytes: number;
  /** Ours: accepted, and not taken by the kernel yet. */
  readonly send_queued_bytes: number;
}

export interface StatsSource {
  readonly workers: number;
  readonly taskWorkers: number;
  readonly startedAt: number;
  readonly connections: number;
  readonly counts: { readonly accepted: number; readonly closed: number; readonly aborted: number };
  /** Of HTTP. */
  readonly answers: number;
  /** Undefined where nobody connects. */
  readonly context: WebSocketContext | undefined;
  readonly bytes: {
    readonly receivedBytes: number;
    readonly sentBytes: number;
    readonly queuedBytes: number;
  };
}

export function statsOf(source: StatsSource): Stats {
  const { context, counts, bytes } = source;
  let received = context?.counters.messagesReceived ?? 0;
  let sent = context?.counters.messagesSent ?? 0;
  for (const connection of context?.connections ?? []) {
    received += connection.messagesReceived;
    sent += connection.messagesSent;
  }
  const requests = received + source.answers;
  return {
    start_time: Math.floor(source.startedAt / 1000),
    connection_num: source.connections,
    accept_count: counts.accepted,
    close_count: counts.closed,
    abort_count: counts.aborted,
    worker_num: source.workers,
    task_worker_num: source.taskWorkers,
    worker_request_count: requests,
    request_count: requests,
    response_count: sent + source.answers,
    total_recv_bytes: bytes.receivedBytes,
    total_send_bytes: bytes.sentBytes,
    send_queued_bytes: bytes.queuedBytes,
  };
}

/** Counts added up; what holds for the whole server is of the first. */
export function sumOfStats(a: Stats, b: Stats): Stats {
  return {
    start_time: Math.min(a.start_time, b.start_time),
    connection_num: a.connection_num + b.connection_num,
    accept_count: a.accept_count + b.accept_count,
    close_count: a.close_count + b.close_count,
    abort_count: a.abort_count + b.abort_count,
    worker_num: a.worker_num,
    task_worker_num: a.task_worker_num,
    worker_request_count: a.worker_request_count,
    request_count: a.request_count + b.request_count,
    response_count: a.response_count + b.response_count,
    total_recv_bytes: a.total_recv_bytes + b.total_recv_bytes,
    total_send_bytes: a.total_send_bytes + b.total_send_bytes,
    send_queued_bytes: a.send_queued_bytes + b.send_queued_bytes,
  };
}

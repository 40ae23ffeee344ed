// The operators' address: health, readiness, metrics and status; read only. Answers only for a Host that
// is loopback or the configured one (DNS rebinding), and off loopback only with the admin token.

import { timingSafeEqual } from 'node:crypto';
import { isLoopbackHost } from '../base/ip-address.ts';
import type { Server, ServerRequest, ServerResponse } from '../server/types.ts';
import type { Metrics } from './metrics.ts';
import { sendProblem } from './problem.ts';
import type { GatewayStats } from './stats.ts';

export interface AdminOptions {
  readonly host: string;
  readonly token?: string;
  readonly version: string;
  readonly metrics: Metrics;
  readonly stats: () => GatewayStats;
  /** False while starting, stopping, or when the journal takes nothing. */
  readonly isReady: () => boolean;
}

type Answer = (request: ServerRequest, response: ServerResponse) => unknown;

function hostOf(request: ServerRequest): string {
  const host = request.headers['host'] ?? '';
  return host.replace(/:\d+$/, '');
}

function isToken(given: string | undefined, token: string): boolean {
  const expected = Buffer.from(`Bearer ${token}`);
  const actual = Buffer.from(given ?? '');
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

/** Adds the four resources to a server of their own. */
export function addAdminRoutes(server: Server, options: AdminOptions): void {
  const startedAt = Date.now();
  const guarded =
    (answer: Answer): Answer =>
    (request, response) => {
      const host = hostOf(request);
      if (!isLoopbackHost(host) && host !== options.host) {
        sendProblem(response, 'forbidden', 'This Host is not answered here.');
      } else if (
        options.token !== undefined &&
        !isToken(request.headers['authorization'], options.token)
      ) {
        sendProblem(response, 'unauthorized', 'The admin token is needed.');
      } else {
        return answer(request, response);
      }
      return undefined;
    };
  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.status(status).header('Content-Type', 'application/json');
    response.header('Cache-Control', 'no-store').end(`${JSON.stringify(body)}\n`);
  };
  server.get(
    '/healthz',
    guarded((_request, response) => json(response, 200, { ok: true })),
  );
  server.get(
    '/readyz',
    guarded((_request, response) => {
      const ready = options.isReady();
      json(response, ready ? 200 : 503, { ready });
    }),
  );
  server.get(
    '/metrics',
    guarded(async (_request, response) => {
      const text = await options.metrics.text();
      response.header('Content-Type', options.metrics.contentType).end(text);
    }),
  );
  server.get(
    '/status',
    guarded((_request, response) =>
      json(response, 200, {
        version: options.version,
        pid: process.pid,
        node: process.version,
        uptimeSeconds: Math.round((Date.now() - startedAt) / 1000),
        memoryBytes: process.memoryUsage.rss(),
        ready: options.isReady(),
        ...options.stats(),
      }),
    ),
  );
}

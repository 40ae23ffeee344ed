// Asking by HTTP why a handshake failed: a browser does not let a page see the refusal's status.

export const PROBE_TIMEOUT_MS = 10_000;

/** The part of fetch that is used. */
export type Fetch = (
  url: string,
  init: {
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly cache: 'no-store';
  },
) => Promise<{ readonly status: number }>;

/**
 * `unavailable`: the gateway is not reachable or says to wait; `unknown`: the answer does not
 * help.
 */
export type ProbeResult = 'ok' | 'unauthorized' | 'forbidden' | 'unavailable' | 'unknown';

export async function probeSession(
  url: string,
  token: string,
  fetchWith: Fetch = globalFetch,
): Promise<ProbeResult> {
  try {
    const response = await fetchWith(url, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      cache: 'no-store',
    });
    return resultOf(response.status);
  } catch {
    return 'unavailable';
  }
}

/** `wss://host/agent` or `https://host/agent` to `https://host/api/v1/session`. */
export function sessionUrlOf(url: string): string {
  const parsed = new URL('/api/v1/session', url);
  return parsed.href.replace(/^ws/, 'http');
}

/** http and https become ws and wss. */
export function socketUrlOf(url: string): string {
  return new URL(url).href.replace(/^http/, 'ws');
}

function resultOf(status: number): ProbeResult {
  if (status >= 200 && status < 300) return 'ok';
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 429 || status >= 500) return 'unavailable';
  return 'unknown';
}

const globalFetch: Fetch = (url, init) => fetch(url, init);

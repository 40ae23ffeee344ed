// `sluice token`: mints a JWT with the configured secret and prints it alone on stdout.

import { configError, loadConfig } from '../gateway/config.ts';
import { mintToken } from '../gateway/tokens.ts';

export interface TokenOptions {
  readonly agent: string;
  readonly name: string;
  readonly pages: readonly string[];
  readonly role: string;
  readonly ttl: string;
  readonly config?: string;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const ROLES = ['agent', 'supervisor', 'service'] as const;
const TTL_SECONDS_MAX = 366 * 86_400;

/** Seconds of a life time such as 90s, 30m, 12h, 7d; undefined when it is none. */
export function parseTtl(text: string): number | undefined {
  const match = /^(\d{1,7})([smhd])$/.exec(text);
  const seconds = Number(match?.[1]) * (UNIT_SECONDS[match?.[2] ?? ''] ?? Number.NaN);
  return seconds >= 1 && seconds <= TTL_SECONDS_MAX ? seconds : undefined;
}

function usageFault(options: TokenOptions): string | undefined {
  if (!ROLES.some((role) => role === options.role)) return `--role is one of ${ROLES.join(', ')}`;
  if (parseTtl(options.ttl) === undefined) return '--ttl is a life time such as 30m, 12h or 7d';
  const isWild = options.pages.length === 1 && options.pages[0] === '*';
  if (!isWild && !options.pages.every((id) => /^\d{1,32}$/.test(id))) {
    return '--pages holds Page ids separated by commas, or *';
  }
  return undefined;
}

export async function token(options: TokenOptions): Promise<number> {
  const fault = usageFault(options);
  if (fault !== undefined) {
    console.error(`sluice: ${fault}`);
    return 2;
  }
  const loaded = loadConfig(options.config, process.env);
  if (loaded.config === undefined) throw configError(loaded.faults);
  const secret = loaded.config.agents.jwt.secret;
  if (secret === undefined) {
    console.error(
      'sluice: agents.jwt.secret is not configured: the identity provider mints tokens',
    );
    return 1;
  }
  const jwt = await mintToken(secret, {
    id: options.agent,
    name: options.name,
    role: options.role as (typeof ROLES)[number],
    pages: options.pages,
    ttlSeconds: parseTtl(options.ttl) ?? 0,
  });
  console.log(jwt);
  return 0;
}

// The configuration's shape (contract.md section 2): one zod schema gives the types, the defaults, the
// checks and their texts. What is not built yet is a fault here, never a silent difference.

import { isIP } from 'node:net';
import { z } from 'zod';
import { isLoopbackHost } from '../base/ip-address.ts';

export const JWT_SECRET_BYTES_MIN = 32;
/** One place of a supervisor's is the clerk's. */
const WORKERS_MAX = 127;
const NOT_BUILT = 'is not built yet in this version';

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

const httpsUnlessLoopback = z.string().refine(
  (text) => {
    const url = parseUrl(text);
    if (url === undefined) return false;
    return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
  },
  { message: 'must be an https URL (http only on loopback)' },
);

const port = z.number().int().min(0).max(65535);
const path = z
  .string()
  .regex(/^\/[A-Za-z0-9._~\-/]*$/, 'must start with / and hold no query or wildcard');
const origin = z.string().refine((text) => parseUrl(text)?.origin === text, {
  message: 'must be an origin such as https://desk.example, without a path',
});
const id = z.string().regex(/^[0-9]{1,32}$/, 'must be digits, as a string');
const secret = z.string().min(1, 'must not be empty');
const cidr = z.string().refine(
  (text) => {
    const [address = '', bits, ...rest] = text.split('/');
    const family = isIP(address);
    if (family === 0 || rest.length > 0) return false;
    if (bits === undefined) return true;
    return /^[0-9]{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  },
  { message: 'must be an address or a CIDR block such as 10.0.0.0/8' },
);

const tls = z
  .strictObject({
    cert: z.string().min(1, 'must not be empty'),
    key: secret,
    passphrase: secret.optional(),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
    clientCa: z.string().min(1, 'must not be empty').optional(),
    clientName: z.string().min(1, 'must not be empty').optional(),
  })
  .refine((value) => (value.clientCa === undefined) === (value.clientName === undefined), {
    path: ['clientName'],
    message: 'and clientCa need each other',
  });

const host = z.string().refine((text) => isIP(text) !== 0 || text === 'localhost', {
  message: 'must be an IP address, or localhost',
});

const listen = z.strictObject({
  host: host.default('0.0.0.0'),
  port: port.default(8080),
  tls: tls.optional(),
  proxyProtocol: z.enum(['off', 'required']).default('off'),
});

const admin = z
  .strictObject({
    host: host.default('127.0.0.1'),
    port: port.default(9090),
    token: secret.optional(),
  })
  .refine((value) => isLoopbackHost(value.host) || value.token !== undefined, {
    path: ['token'],
    message: 'is required when the admin address is not loopback',
  });

const journal = z.strictObject({
  kind: z
    .literal('sqlite', { message: `must be "sqlite": "jetstream" ${NOT_BUILT}` })
    .default('sqlite'),
  retention: z.strictObject({ days: z.number().int().min(3).max(3650).default(90) }).prefault({}),
});

const page = z.strictObject({ id, name: z.string().default(''), accessToken: secret });

const messenger = z.strictObject({
  webhookPath: path.default('/webhook/messenger'),
  verifyToken: secret,
  appId: id,
  appSecrets: z.array(secret).min(1).max(4),
  graphUrl: httpsUnlessLoopback.default('https://graph.facebook.com'),
  graphVersion: z
    .string()
    .regex(/^v[0-9]{1,3}\.[0-9]$/, 'must look like v25.0')
    .default('v25.0'),
  humanAgent: z
    .literal(false, { message: `must be false: the HUMAN_AGENT tag ${NOT_BUILT}` })
    .default(false),
  pages: z
    .array(page)
    .min(1)
    .refine((pages) => new Set(pages.map((entry) => entry.id)).size === pages.length, {
      message: 'must not name a Page twice',
    }),
});

const jwt = z
  .strictObject({
    secret: z
      .string()
      .refine((text) => Buffer.byteLength(text) >= JWT_SECRET_BYTES_MIN, {
        message: `must have at least ${JWT_SECRET_BYTES_MIN} bytes`,
      })
      .optional(),
    jwksUrl: httpsUnlessLoopback.optional(),
    issuer: z.string().optional(),
    audience: z.string().optional(),
  })
  .refine((value) => (value.secret === undefined) !== (value.jwksUrl === undefined), {
    message: 'needs exactly one of secret and jwksUrl',
  });

const agents = z.strictObject({
  path: path.default('/agent'),
  jwt,
  origins: z.array(origin).default([]),
  heartbeatSeconds: z.number().int().min(1).max(3600).default(25),
  graceSeconds: z.number().int().min(0).max(3600).default(30),
  replayMax: z.number().int().min(0).max(1_000_000).default(10_000),
  snapshotMax: z.number().int().min(1).max(10_000).default(500),
  sessionsPerAgent: z.number().int().min(1).max(1000).default(8),
});

const limits = z
  .strictObject({
    connectionsPerIp: z.number().int().min(0).max(1_000_000).default(0),
    bodyBytes: z.number().int().min(1024).max(1_073_741_824).default(16_777_216),
    bodyBytesTotal: z.number().int().min(1024).default(268_435_456),
    messageBytes: z.number().int().min(1024).max(16_777_216).default(65_536),
    queueBytes: z.number().int().min(16_384).max(268_435_456).default(1_048_576),
    requestsPerSecond: z.number().int().min(1).max(100_000).default(50),
  })
  .refine((value) => value.bodyBytesTotal >= value.bodyBytes, {
    path: ['bodyBytesTotal'],
    message: 'must not be less than bodyBytes',
  });

/** Where the gateway keeps all that is its own; who asks one that runs needs no more than this. */
export const dataSchema = z.string().min(1).default('./.sluice');

/** Paths that are the gateway's own, without the slash at their end. */
const OWN_PATHS = ['/api', '/api/v1/session', '/api/v1/conversations'] as const;

interface Placed {
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly admin: { readonly host: string; readonly port: number };
  readonly messenger: { readonly webhookPath: string };
  readonly agents: { readonly path: string };
  readonly console: { readonly enabled: boolean; readonly path: string };
}

/** Two of an address, or of a path: only one of them would be served. */
function refuseTwins(config: Placed, context: z.RefinementCtx): void {
  const refuse = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: path.split('.'), message });
  const addresses = new Map<string, string>();
  const places = config.listen.map((place, index) => [`listen.${index}`, place] as const);
  for (const [key, { host: name, port: number }] of [['admin', config.admin] as const, ...places]) {
    const address = `${name}:${number}`;
    const other = addresses.get(address);
    // 0 is any port that is free.
    if (number !== 0 && other !== undefined) refuse(key, `is the address of ${other}: ${address}`);
    addresses.set(address, key);
  }
  const paths = new Map<string, string>(OWN_PATHS.map((own) => [own, 'the gateway itself']));
  for (const [key, path] of [
    ['messenger.webhookPath', config.messenger.webhookPath],
    ['agents.path', config.agents.path],
    ...(config.console.enabled ? [['console.path', config.console.path] as const] : []),
  ] as const) {
    const bare = path.replace(/\/+$/, '');
    const other = paths.get(bare);
    if (other !== undefined) refuse(key, `is the path of ${other}: ${path}`);
    paths.set(bare, key);
  }
}

export const configSchema = z
  .strictObject({
    publicUrl: httpsUnlessLoopback.optional(),
    listen: z.array(listen).min(1).max(16).prefault([{}]),
    admin: admin.prefault({}),
    trustedProxies: z.array(cidr).max(256).default([]),
    forwardedHeader: z.enum(['x-forwarded-for', 'forwarded']).default('x-forwarded-for'),
    deny: z.array(cidr).max(10_000).default([]),
    workers: z.union([z.number().int().min(1).max(WORKERS_MAX), z.literal('auto')]).default(1),
    data: dataSchema,
    journal: journal.prefault({}),
    messenger,
    agents,
    console: z
      .strictObject({ enabled: z.boolean().default(true), path: path.default('/console/') })
      .prefault({}),
    limits: limits.prefault({}),
  })
  .refine(
    ({ listen: places, trustedProxies }) =>
      trustedProxies.length > 0 || places.every((place) => place.proxyProtocol === 'off'),
    {
      path: ['trustedProxies'],
      message: 'must name who sends PROXY headers (listen.proxyProtocol)',
    },
  )
  .superRefine(refuseTwins);

/** The configuration with defaults filled in and secrets resolved. Never log it. */
export type GatewayConfig = z.output<typeof configSchema>;

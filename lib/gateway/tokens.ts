// Agents' tokens: JWTs of our own secret (HS256) or of an identity provider (asymmetric algorithms).
// Verified ones are remembered for their life, so that a page reload of many agents costs no signatures.

import { createHash } from 'node:crypto';
import {
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Clock } from '../base/clock.ts';
import type { Person } from '../desk/records.ts';
import { TOKEN_CACHE_MAX, TOKEN_CHARS_MAX, TOKEN_LEEWAY_MS, TOKEN_PAGES_MAX } from './limits.ts';
import { Scope } from './scope.ts';
import type { JwtSettings } from './settings.ts';

const ASYMMETRIC = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519',
]; // biome-ignore format: one line reads better
const JWKS_TIMEOUT_MS = 5_000;
const PERSON_CHARS_MAX = 128;
const ROLES: readonly Person['role'][] = ['agent', 'supervisor', 'service'];

/** Who a token speaks for, and until when. */
export interface AgentIdentity {
  readonly person: Person;
  readonly scope: Scope;
  /** ms since the Unix epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export type TokenResult =
  | { readonly ok: true; readonly identity: AgentIdentity }
  /** 401: the token is bad or expired. 503: the identity provider cannot be asked. */
  | { readonly ok: false; readonly status: 401 | 503; readonly reason: string };

export interface TokenVerifier {
  /** Never rejects. */
  verify(token: string): Promise<TokenResult>;
}

export interface MintClaims {
  /** The agent's id: the token's `sub`. */
  readonly id: string;
  readonly name: string;
  readonly role: Person['role'];
  readonly pages: readonly string[];
  readonly ttlSeconds: number;
}

/** A signed token for `sluice token` and the login links of `sluice dev`. */
export async function mintToken(
  secret: string,
  claims: MintClaims,
  now: number = Date.now(),
): Promise<string> {
  const issuedAt = Math.floor(now / 1000);
  return new SignJWT({ name: claims.name, role: claims.role, pages: [...claims.pages] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(claims.id)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + claims.ttlSeconds)
    .sign(new TextEncoder().encode(secret));
}

export function createTokenVerifier(settings: JwtSettings, clock: Clock): TokenVerifier {
  const check = createCheck(settings);
  const remembered = new Map<string, AgentIdentity>();
  return {
    async verify(token) {
      if (token.length > TOKEN_CHARS_MAX) return refusal('The token is too long.');
      const key = createHash('sha256').update(token).digest('base64');
      const known = remembered.get(key);
      if (known !== undefined && !isOver(known, clock.now())) return { ok: true, identity: known };
      remembered.delete(key);
      const result = await verifyFresh(check, token, clock.now());
      if (result.ok) remember(remembered, key, result.identity);
      return result;
    },
  };
}

/** When a session of this identity ends: a token accepted within the leeway gets the leeway. */
export function sessionEnd(identity: AgentIdentity, joinedAt: number): number {
  return identity.expiresAt > joinedAt ? identity.expiresAt : identity.expiresAt + TOKEN_LEEWAY_MS;
}

/** The identity in verified claims; undefined when one is missing or has the wrong shape. */
export function identityOf(claims: JWTPayload, now: number): AgentIdentity | undefined {
  const { sub, iat, exp } = claims;
  const { name, role, pages } = claims as Record<string, unknown>;
  if (!isPersonText(sub) || !isPersonText(name)) return undefined;
  if (typeof iat !== 'number' || typeof exp !== 'number') return undefined;
  if (iat * 1000 > now + TOKEN_LEEWAY_MS) return undefined;
  const known = ROLES.find((other) => other === role);
  if (known === undefined || !isPageList(pages)) return undefined;
  return {
    person: { id: sub, name, role: known },
    scope: new Scope(pages, known),
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
  };
}

type Check = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

function createCheck(settings: JwtSettings): Check {
  if ('secret' in settings) {
    const key = new TextEncoder().encode(settings.secret);
    return (token, options) => jwtVerify(token, key, { ...options, algorithms: ['HS256'] });
  }
  const keys = createRemoteJWKSet(new URL(settings.jwksUrl), { timeoutDuration: JWKS_TIMEOUT_MS });
  const expected = {
    algorithms: ASYMMETRIC,
    ...(settings.issuer === undefined ? {} : { issuer: settings.issuer }),
    ...(settings.audience === undefined ? {} : { audience: settings.audience }),
  };
  return (token, options) => jwtVerify(token, keys, { ...options, ...expected });
}

async function verifyFresh(check: Check, token: string, now: number): Promise<TokenResult> {
  try {
    const { payload } = await check(token, {
      clockTolerance: TOKEN_LEEWAY_MS / 1000,
      currentDate: new Date(now),
      requiredClaims: ['sub', 'iat', 'exp'],
    });
    const identity = identityOf(payload, now);
    return identity === undefined
      ? refusal('A claim is missing or wrong.')
      : { ok: true, identity };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return refusal('The token has expired.');
    if (isProviderFailure(error)) {
      return { ok: false, status: 503, reason: 'The identity provider cannot be reached.' };
    }
    return refusal('The token is not valid.');
  }
}

/** Errors that say nothing about the token: the key set could not be fetched or read. */
function isProviderFailure(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true;
  if (!(error instanceof errors.JOSEError)) return true;
  return error.code === 'ERR_JOSE_GENERIC';
}

function refusal(reason: string): TokenResult {
  return { ok: false, status: 401, reason };
}

function isOver(identity: AgentIdentity, now: number): boolean {
  return identity.expiresAt + TOKEN_LEEWAY_MS <= now;
}

function remember(cache: Map<string, AgentIdentity>, key: string, identity: AgentIdentity): void {
  if (cache.size >= TOKEN_CACHE_MAX) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  cache.set(key, identity);
}

function isPersonText(value: unknown): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= PERSON_CHARS_MAX;
}

function isPageList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= TOKEN_PAGES_MAX &&
    value.every((page) => typeof page === 'string' && (page === '*' || /^[0-9]{1,32}$/.test(page)))
  );
}

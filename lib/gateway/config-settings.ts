// From the checked configuration to what the gateway takes: the same values without zod's optionals.

import type { GatewayConfig } from './config-schema.ts';
import type { GatewaySettings, JwtSettings } from './settings.ts';

/** Only the properties of `value` that are set. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function jwtSettings(jwt: GatewayConfig['agents']['jwt']): JwtSettings {
  if (jwt.secret !== undefined) return { secret: jwt.secret };
  return defined({ jwksUrl: jwt.jwksUrl ?? '', issuer: jwt.issuer, audience: jwt.audience });
}

export function settingsOf(config: GatewayConfig): GatewaySettings {
  const settings = {
    listen: config.listen.map(({ host, port, tls, proxyProtocol }) =>
      tls === undefined
        ? { host, port, proxyProtocol }
        : { host, port, proxyProtocol, tls: defined(tls) },
    ),
    messenger: config.messenger,
    agents: { ...config.agents, jwt: jwtSettings(config.agents.jwt) },
    console: config.console,
    limits: config.limits,
    data: config.data,
    retentionDays: config.journal.retention.days,
    trustedProxies: config.trustedProxies,
    forwardedHeader: config.forwardedHeader,
    deny: config.deny,
  };
  return config.publicUrl === undefined ? settings : { ...settings, publicUrl: config.publicUrl };
}

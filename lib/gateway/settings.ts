// What the gateway needs to be told: the configuration of contract.md section 2 with every secret
// resolved to its value. lib/gateway/config.ts produces it; nothing in here reads a file or a variable.

import type { ListenTls } from './listen-tls.ts';

/** One Page that the gateway answers for. */
export interface PageSettings {
  readonly id: string;
  readonly name: string;
  readonly accessToken: string;
}

/**
 * Exactly one of the two: a shared secret (HS256), or an identity provider (asymmetric
 * algorithms).
 */
export type JwtSettings =
  | { readonly secret: string }
  | { readonly jwksUrl: string; readonly issuer?: string; readonly audience?: string };

export interface MessengerSettings {
  readonly webhookPath: string;
  readonly verifyToken: string;
  readonly appId: string;
  /** The current secret first, then the ones that are still accepted during a rotation. */
  readonly appSecrets: readonly string[];
  readonly graphUrl: string;
  readonly graphVersion: string;
  /** The app has Meta's Human Agent feature. */
  readonly humanAgent: boolean;
  readonly pages: readonly PageSettings[];
}

export interface AgentSettings {
  readonly path: string;
  readonly jwt: JwtSettings;
  readonly origins: readonly string[];
  readonly heartbeatSeconds: number;
  readonly graceSeconds: number;
  /** A client further behind than this many records gets a snapshot. */
  readonly replayMax: number;
  /** Open conversations in a snapshot; the rest by `list`. */
  readonly snapshotMax: number;
  readonly sessionsPerAgent: number;
}

export interface LimitSettings {
  /** Agent sockets per address, 0 is off; loopback is exempt. */
  readonly connectionsPerIp: number;
  readonly bodyBytes: number;
  /** Webhook bodies in memory at once. */
  readonly bodyBytesTotal: number;
  readonly messageBytes: number;
  readonly queueBytes: number;
  readonly requestsPerSecond: number;
}

export interface ListenSettings {
  readonly host: string;
  readonly port: number;
  readonly tls?: ListenTls;
  /** 'required': connections begin with a PROXY header and come from trustedProxies. Default 'off'. */
  readonly proxyProtocol?: 'off' | 'required';
}

export interface GatewaySettings {
  readonly listen: readonly ListenSettings[];
  readonly publicUrl?: string;
  readonly messenger: MessengerSettings;
  readonly agents: AgentSettings;
  readonly console: { readonly enabled: boolean; readonly path: string };
  readonly limits: LimitSettings;
  /** Folder of log.db and views.db. */
  readonly data: string;
  /** Records older than this are deleted; absent: everything is kept. */
  readonly retentionDays?: number;
  /** CIDR blocks that are believed about their clients. */
  readonly trustedProxies: readonly string[];
  /** Where they name them. Default 'x-forwarded-for'. */
  readonly forwardedHeader?: 'x-forwarded-for' | 'forwarded';
  /** CIDR blocks that nothing is taken from. */
  readonly deny?: readonly string[];
}

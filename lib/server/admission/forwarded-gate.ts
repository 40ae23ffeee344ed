// Admission behind trusted proxies: their own connections are not counted, what they bring is.

import type { Connection } from '../../net/types.ts';
import type { ForwardedGate } from '../http/http-application.ts';
import type { ServerRequest } from '../http/http-types.ts';
import type { Admission } from './admission.ts';
import type { Refusal } from './admission-types.ts';
import type { TrustedProxies } from './http-client-address.ts';

/** @returns undefined when no request has to be judged by a forwarded address */
export function forwardedGateOf(
  admission: Admission,
  proxies: TrustedProxies,
): ForwardedGate | undefined {
  if (proxies.isEmpty || !admission.judgesAddresses) return undefined;
  return {
    judge(connection: Connection, request: ServerRequest): Refusal | undefined {
      if (!proxies.trusts(connection.remoteAddress)) return undefined;
      return admission.judgeForwarded(connection, request.ip);
    },
    ended(connection: Connection): void {
      if (proxies.trusts(connection.remoteAddress)) admission.requestEnded(connection);
    },
  };
}

// Why a session ends. The range of the code carries the client's rule (contract.md section 4):
//
//   1000        asked for it            1012        drain, come back when told
//   1011        we failed, reconnect
//   1013        slow, come back later   4000-4399   reconnect
//   4400, 4409  stay away               4401        not with this token
//
// 4403 is reserved: what a token does not allow is refused per request.

export interface Disconnect {
  readonly code: number;
  readonly reason: string;
}

export const Disconnects = {
  failed: { code: 1011, reason: 'internal error' },
  restart: { code: 1012, reason: 'restart' },
  slow: { code: 1013, reason: 'slow' },
  tooMany: { code: 1013, reason: 'too many sessions' },
  /** What the client holds can no longer be continued: it joins again. */
  scopeChanged: { code: 4001, reason: 'scope changed' },
  replayLost: { code: 4002, reason: 'position no longer held' },
  helloTimeout: { code: 4008, reason: 'no hello' },
  badFrame: { code: 4400, reason: 'not a JSON object with a type' },
  notJoined: { code: 4400, reason: 'request before hello' },
  tokenExpired: { code: 4401, reason: 'token expired' },
  replaced: { code: 4409, reason: 'replaced by the same session' },
} as const satisfies Record<string, Disconnect>;

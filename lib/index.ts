// The public library: re-exports only.

export { type ErrorCode, isSluiceError, SluiceError } from './base/errors.ts';
export { createServer } from './server/server.ts';
export type {
  BodySource,
  PublishResult,
  RouteHandler,
  SendOptions,
  SendOutcome,
  Server,
  ServerOptions,
  ServerRequest,
  ServerResponse,
  ServerSocket,
  UpgradeDecision,
  WebSocketRoute,
} from './server/types.ts';

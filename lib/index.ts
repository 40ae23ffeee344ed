// The public library: re-exports only.

export { type ErrorCode, isSluiceError, SluiceError } from './base/errors.ts';
export { createServer } from './server/server.ts';
export type {
  AdmissionOptions,
  AdmissionStats,
  BodySource,
  ClientCertificateInfo,
  DeflateOptions,
  ListenOptions,
  PemSource,
  PublishResult,
  RouteHandler,
  SendOptions,
  SendOutcome,
  Server,
  ServerListener,
  ServerOptions,
  ServerRequest,
  ServerResponse,
  ServerSocket,
  StaticFilesOptions,
  TlsIdentity,
  TlsInfo,
  TlsOptions,
  TlsVersion,
  UpgradeDecision,
  WebSocketRoute,
} from './server/types.ts';

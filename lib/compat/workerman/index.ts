// `sluice/workerman`: Workerman's names on the engine; see docs/workerman.md. Re-exports only.

export type { ConnectionCallbacks, MessageData } from './callbacks.ts';
export { Gateway } from './gateway.ts';
export { type GatewayEvents, GatewayWorker } from './gateway-worker.ts';
export type { OutputStream } from './process-log.ts';
export { Frame, Http, type Protocol, type StreamProtocol, Text, Websocket } from './protocols.ts';
export { Request } from './request.ts';
export { Chunk, Response, ServerSentEvents } from './response.ts';
export { type CloseFacts, TcpConnection } from './tcp-connection.ts';
export { Timer } from './timer.ts';
export { Worker, type WorkerContext } from './worker.ts';

// `sluice/swoole`: the server of Swoole's WebSocket, HTTP and TCP servers under the same names.

export type { ClientInfo, Stats } from './client-info.ts';
export type { ConnectionList } from './clients.ts';
export * from './constants.ts';
export type { CloseDetails, ServerEvents } from './events.ts';
export { CloseFrame, Frame, type FrameData } from './frame.ts';
export type { Port } from './port.ts';
export type { Request, RequestServer } from './request.ts';
export type { Response } from './response.ts';
export { Server } from './server.ts';
export type { Settings } from './settings.ts';
export { Timer, type TimerInfo } from './timer.ts';

// sluice/process: many workers on one port, replaced without dropping anything. Re-exports only.

export type {
  BusData,
  BusPeer,
  BusStats,
  RequestHandler,
  SharedTopics,
  SignalHandler,
  WorkerBus,
} from './bus-types.ts';
export { supervise } from './supervisor.ts';
export type {
  Servable,
  ServeOptions,
  SupervisedAddress,
  Supervisor,
  SupervisorOptions,
  WorkerEvent,
  WorkerReport,
  WorkerRole,
} from './types.ts';
export { workerRole } from './worker.ts';

// GatewayWorker's static Gateway: whom to send to by client, uid and group, and who is where. For the
// clients of all processes; where another one has a client, the call is handed over.

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Client, type ClientMethod, GatewayClients, type Session } from './gateway-clients.ts';

type Name = string | number;
type Names = Name | readonly Name[];

/** Of the process; gateway-worker.ts fills it. */
export const gatewayClients = new GatewayClients();
/** Whose event is being handled. */
export const currentClient = new AsyncLocalStorage<Client>();

const NOBODY: ReadonlySet<string> = new Set();

// biome-ignore lint/complexity/noStaticOnlyClass: the shape is GatewayWorker's.
export class Gateway {
  // ---- sending -----------------------------------------------------------

  /** @param ids only these. @returns how many have taken it: an addition, as with the next three */
  static sendToAll(
    message: unknown,
    ids: readonly string[] | null = null,
    exclude: Names | null = null,
  ): number {
    const excluded = namesOf(exclude);
    if (ids === null) return gatewayClients.sendToAll(message, excluded);
    let taken = 0;
    for (const id of ids) if (!excluded.has(id) && Gateway.sendToClient(id, message)) taken++;
    return taken;
  }

  /** @returns false when there is no such client, or its buffer is full */
  static sendToClient(id: string, message: unknown): boolean {
    const client = gatewayClients.all.get(id);
    if (client === undefined) return false;
    if (client.connection === undefined) {
      return gatewayClients.handOver(client, 'sendToClient', message);
    }
    return client.connection.send(message) !== false;
  }

  static sendToCurrentClient(message: unknown): boolean {
    const client = currentClient.getStore();
    return client !== undefined && Gateway.sendToClient(client.id, message);
  }

  static sendToUid(uid: Names, message: unknown): number {
    let taken = 0;
    for (const each of namesOf(uid)) taken += gatewayClients.sendToUid(each, message);
    return taken;
  }

  /** Who is in several of the groups gets it once for each. */
  static sendToGroup(group: Names, message: unknown, exclude: Names | null = null): number {
    const excluded = namesOf(exclude);
    let taken = 0;
    for (const each of namesOf(group)) taken += gatewayClients.sendToGroup(each, message, excluded);
    return taken;
  }

  static closeClient(id: string, message?: unknown): boolean {
    const client = gatewayClients.all.get(id);
    if (client === undefined) return false;
    if (client.connection === undefined) {
      return gatewayClients.handOver(client, 'closeClient', message);
    }
    client.connection.close(message);
    return true;
  }

  static closeCurrentClient(message?: unknown): boolean {
    return Gateway.closeClient(currentClient.getStore()?.id ?? '', message);
  }

  /** The spelling is GatewayWorker's. */
  static destoryClient(id: string): boolean {
    const client = gatewayClients.all.get(id);
    if (client === undefined) return false;
    if (client.connection === undefined) return gatewayClients.handOver(client, 'destoryClient');
    client.connection.destroy();
    return true;
  }

  static destoryCurrentClient(): boolean {
    return Gateway.destoryClient(currentClient.getStore()?.id ?? '');
  }

  // ---- uids and groups ---------------------------------------------------

  /** In place of the one that it had. @returns false for a client that is gone or a bad name */
  static bindUid(id: string, uid: Name): boolean {
    const client = gatewayClients.all.get(id);
    return client !== undefined && gatewayClients.bind(client, String(uid));
  }

  static unbindUid(id: string, uid: Name): boolean {
    const client = gatewayClients.all.get(id);
    if (client === undefined || client.uid !== String(uid)) return false;
    return gatewayClients.unbind(client);
  }

  /** @returns false for a client that is gone, or a bound: see docs/workerman.md */
  static joinGroup(id: string, group: Name): boolean {
    const client = gatewayClients.all.get(id);
    return client !== undefined && gatewayClients.join(client, String(group));
  }

  static leaveGroup(id: string, group: Name): boolean {
    const client = gatewayClients.all.get(id);
    return client !== undefined && gatewayClients.leave(client, String(group));
  }

  /** Everybody leaves it. */
  static ungroup(group: Name): void {
    for (const client of clientsOf(group)) gatewayClients.leave(client, String(group));
  }

  // ---- who is where ------------------------------------------------------

  static isOnline(id: string): boolean {
    return gatewayClients.all.has(id);
  }

  static isUidOnline(uid: Name): boolean {
    return gatewayClients.uids.has(String(uid));
  }

  static getUidByClientId(id: string): string | null {
    return gatewayClients.all.get(id)?.uid ?? null;
  }

  static getClientIdByUid(uid: Name): string[] {
    return [...(gatewayClients.uids.get(String(uid)) ?? [])].map((client) => client.id);
  }

  static getAllClientIdList(): string[] {
    return [...gatewayClients.all.keys()];
  }

  static getAllClientIdCount(): number {
    return gatewayClients.all.size;
  }

  static getAllUidList(): string[] {
    return [...gatewayClients.uids.keys()];
  }

  static getAllUidCount(): number {
    return gatewayClients.uids.size;
  }

  static getAllGroupIdList(): string[] {
    return [...gatewayClients.groups.keys()];
  }

  static getClientIdListByGroup(group: Name): string[] {
    return clientsOf(group).map((client) => client.id);
  }

  static getClientIdCountByGroup(group: Name): number {
    return clientsOf(group).length;
  }

  static getUidListByGroup(group: Name): string[] {
    const uids = clientsOf(group).map((client) => client.uid);
    return [...new Set(uids.filter((uid) => uid !== undefined))];
  }

  static getUidCountByGroup(group: Name): number {
    return Gateway.getUidListByGroup(group).length;
  }

  static getAllGroupClientIdList(): Record<string, string[]> {
    return perGroup(Gateway.getClientIdListByGroup);
  }

  static getAllGroupClientIdCount(): Record<string, number> {
    return perGroup(Gateway.getClientIdCountByGroup);
  }

  static getAllGroupUidList(): Record<string, string[]> {
    return perGroup(Gateway.getUidListByGroup);
  }

  static getAllGroupUidCount(): Record<string, number> {
    return perGroup(Gateway.getUidCountByGroup);
  }

  // ---- sessions ----------------------------------------------------------

  static getSession(id: string): Session | null {
    return gatewayClients.all.get(id)?.session ?? null;
  }

  static setSession(id: string, session: Session): boolean {
    const client = gatewayClients.all.get(id);
    return client !== undefined && gatewayClients.setSession(client, session);
  }

  /** Fields that are not named stay. */
  static updateSession(id: string, session: Session): boolean {
    return Gateway.setSession(id, { ...Gateway.getSession(id), ...session });
  }

  static getAllClientSessions(): Record<string, Session> {
    return sessionsOf(gatewayClients.all.values());
  }

  static getClientSessionsByGroup(group: Name): Record<string, Session> {
    return sessionsOf(clientsOf(group));
  }

  // ---- older names -------------------------------------------------------

  static getAllClientInfo(): Record<string, Session> {
    return Gateway.getAllClientSessions();
  }

  static getClientInfoByGroup(group: Name): Record<string, Session> {
    return Gateway.getClientSessionsByGroup(group);
  }

  static getAllClientCount(): number {
    return Gateway.getAllClientIdCount();
  }

  static getClientCountByGroup(group: Name): number {
    return Gateway.getClientIdCountByGroup(group);
  }
}

function namesOf(names: Names | null): ReadonlySet<string> {
  if (names === null) return NOBODY;
  return new Set(typeof names === 'object' ? names.map(String) : [String(names)]);
}

function clientsOf(group: Name): Client[] {
  return [...(gatewayClients.groups.get(String(group)) ?? [])];
}

function perGroup<Value>(ask: (group: string) => Value): Record<string, Value> {
  return Object.fromEntries([...gatewayClients.groups.keys()].map((group) => [group, ask(group)]));
}

function sessionsOf(clients: Iterable<Client>): Record<string, Session> {
  return Object.fromEntries([...clients].map(({ id, session }) => [id, session]));
}

/** By name, for other processes: `args` are those of the method. */
const METHODS: Readonly<Record<ClientMethod, (...args: never[]) => unknown>> = {
  sendToClient: Gateway.sendToClient,
  closeClient: Gateway.closeClient,
  destoryClient: Gateway.destoryClient,
  bindUid: Gateway.bindUid,
  unbindUid: Gateway.unbindUid,
  joinGroup: Gateway.joinGroup,
  leaveGroup: Gateway.leaveGroup,
  setSession: Gateway.setSession,
};

/** What another process asks for a client of ours. One that is gone meanwhile, it will hear of. */
gatewayClients.onCall = (method, args) => {
  const id = String(args[0]);
  if (gatewayClients.all.get(id)?.connection !== undefined) METHODS[method](...(args as never[]));
};

// The clients of a process as GatewayWorker knows them: by id, by group and by uid, each with its session.
// Groups and uids of WebSockets are topics of the server, so that one encoded frame goes to all.

import {
  TOPIC_LENGTH_MAX,
  TOPICS_PER_SOCKET_MAX,
} from '../../server/websocket/websocket-limits.ts';
import { master } from './master.ts';
import type { TcpConnection } from './tcp-connection.ts';

export type Session = Record<string, unknown>;

/** Groups of one client: two of its topics are for all and for its uid. */
export const GROUPS_PER_CLIENT_MAX = TOPICS_PER_SOCKET_MAX - 2;
/** Length of the name of a group or a uid, in UTF-16 units. */
export const NAME_LENGTH_MAX = TOPIC_LENGTH_MAX - 2;

const ALL = 'a:';
const ID_DIGITS = 20;

export interface Client {
  readonly id: string;
  readonly connection: TcpConnection;
  readonly groups: Set<string>;
  uid: string | undefined;
  session: Session;
  /** Its topics are those of its groups and uid. */
  isSubscribed: boolean;
  /** Looks since it was last heard. */
  silentLooks: number;
}

/** Clients under a name. */
type Index = Map<string, Set<Client>>;

export const groupTopic = (group: string): string => `g:${group}`;
export const uidTopic = (uid: string): string => `u:${uid}`;

export class GatewayClients {
  readonly all = new Map<string, Client>();
  readonly groups: Index = new Map();
  readonly uids: Index = new Map();
  readonly #byConnection = new WeakMap<TcpConnection, Client>();

  add(connection: TcpConnection): Client {
    const id = connection.id.toString(16).padStart(ID_DIGITS, '0');
    const client: Client = {
      id,
      connection,
      groups: new Set(),
      uid: undefined,
      session: {},
      isSubscribed: false,
      silentLooks: 0,
    };
    this.all.set(id, client);
    this.#byConnection.set(connection, client);
    return client;
  }

  of(connection: TcpConnection): Client | undefined {
    return this.#byConnection.get(connection);
  }

  /** Its WebSocket is open: from now on topics reach it. */
  subscribe(client: Client): void {
    const member = client.connection.topicMember;
    if (member === undefined) return;
    client.isSubscribed = true;
    member.subscribe(ALL);
    for (const group of client.groups) member.subscribe(groupTopic(group));
    if (client.uid !== undefined) member.subscribe(uidTopic(client.uid));
  }

  remove(client: Client): void {
    this.all.delete(client.id);
    for (const group of [...client.groups]) this.leave(client, group);
    this.unbind(client);
  }

  /** @returns false when a bound is reached */
  join(client: Client, group: string): boolean {
    if (client.groups.has(group)) return true;
    if (client.groups.size >= GROUPS_PER_CLIENT_MAX || group.length > NAME_LENGTH_MAX) return false;
    client.groups.add(group);
    addTo(this.groups, group, client);
    if (client.isSubscribed) client.connection.topicMember?.subscribe(groupTopic(group));
    return true;
  }

  leave(client: Client, group: string): void {
    if (!client.groups.delete(group)) return;
    removeFrom(this.groups, group, client);
    client.connection.topicMember?.unsubscribe(groupTopic(group));
  }

  /** A client has one uid, a uid any number of clients. @returns false for a name that is too long */
  bind(client: Client, uid: string): boolean {
    if (uid.length > NAME_LENGTH_MAX) return false;
    this.unbind(client);
    client.uid = uid;
    addTo(this.uids, uid, client);
    if (client.isSubscribed) client.connection.topicMember?.subscribe(uidTopic(uid));
    return true;
  }

  unbind(client: Client): void {
    const { uid } = client;
    if (uid === undefined) return;
    client.uid = undefined;
    removeFrom(this.uids, uid, client);
    client.connection.topicMember?.unsubscribe(uidTopic(uid));
  }

  /** To everybody. @returns how many have taken it */
  sendToAll(message: unknown, excluded: ReadonlySet<string>): number {
    return send(this.all.values(), ALL, message, excluded);
  }

  sendToGroup(group: string, message: unknown, excluded: ReadonlySet<string>): number {
    return send(this.groups.get(group) ?? [], groupTopic(group), message, excluded);
  }

  sendToUid(uid: string, message: unknown): number {
    return send(this.uids.get(uid) ?? [], uidTopic(uid), message, new Set());
  }
}

/**
 * One publish for those whom the topic reaches, unless several are left out; the others one by one.
 * @returns how many have taken it
 */
function send(
  clients: Iterable<Client>,
  topic: string,
  message: unknown,
  excluded: ReadonlySet<string>,
): number {
  const isPlain = typeof message === 'string' || message instanceof Uint8Array;
  const publishes = isPlain && excluded.size <= 1;
  let except: Client | undefined;
  let taken = 0;
  for (const client of [...clients]) {
    if (excluded.has(client.id)) except = client;
    else if (!publishes || !isReached(client)) {
      if (client.connection.send(message) !== false) taken++;
    }
  }
  if (!publishes) return taken;
  const { topics } = master.ground.webSockets.context;
  const left = except?.connection.topicMember;
  const { subscribers, dropped } = topics.publish(topic, message, undefined, left);
  return taken + subscribers - dropped;
}

function isReached(client: Client): boolean {
  return client.isSubscribed && client.connection.topicMember !== undefined;
}

function addTo(index: Index, name: string, client: Client): void {
  const clients = index.get(name);
  if (clients === undefined) index.set(name, new Set([client]));
  else clients.add(client);
}

function removeFrom(index: Index, name: string, client: Client): void {
  const clients = index.get(name);
  clients?.delete(client);
  if (clients?.size === 0) index.delete(name);
}

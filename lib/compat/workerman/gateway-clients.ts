// The clients as GatewayWorker knows them: by id, by group and by uid, each with its session. Those of other
// processes are among them: what is done to one is handed over, what is asked was told.
// Groups and uids of WebSockets are topics of the server, so that one encoded frame goes to all.

import type { BusPeer } from '../../process/bus-types.ts';
import type { WorkerRole } from '../../process/types.ts';
import {
  TOPIC_LENGTH_MAX,
  TOPICS_PER_SOCKET_MAX,
} from '../../server/websocket/websocket-limits.ts';
import { Siblings, type SiblingsOwner } from '../siblings/siblings.ts';
import { master } from './master.ts';
import { processLog } from './process-log.ts';
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
  /** Undefined: of another process. */
  readonly connection: TcpConnection | undefined;
  /** Of that process. */
  readonly serial: number;
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

/** What processes tell each other of a client. */
type Told = Pick<Client, 'uid' | 'session'> & { readonly groups: readonly string[] };

/** What is done to a client of another process. */
export type ClientMethod =
  | 'sendToClient'
  | 'closeClient'
  | 'destoryClient'
  | 'bindUid'
  | 'unbindUid'
  | 'joinGroup'
  | 'leaveGroup'
  | 'setSession';

type Audience = 'all' | 'group' | 'uid';

type Word =
  | { readonly kind: 'call'; readonly method: ClientMethod; readonly args: readonly unknown[] }
  | {
      readonly kind: 'send';
      readonly to: Audience;
      readonly name: string;
      readonly message: unknown;
      readonly excluded: readonly string[];
    };

const idOf = (key: number): string => key.toString(16).padStart(ID_DIGITS, '0');

export class GatewayClients implements SiblingsOwner {
  /** Does what another process asks for a client of ours; gateway.ts names it. */
  onCall: (method: ClientMethod, args: readonly unknown[]) => void = () => undefined;
  #siblings: Siblings | undefined;
  readonly all = new Map<string, Client>();
  readonly groups: Index = new Map();
  readonly uids: Index = new Map();
  readonly #byConnection = new WeakMap<TcpConnection, Client>();

  add(connection: TcpConnection): Client {
    const id = idOf(connection.id);
    const client: Client = {
      id,
      connection,
      serial: 0,
      groups: new Set(),
      uid: undefined,
      session: {},
      isSubscribed: false,
      silentLooks: 0,
    };
    this.all.set(id, client);
    this.#byConnection.set(connection, client);
    this.#siblings?.changed(connection.id);
    return client;
  }

  of(connection: TcpConnection): Client | undefined {
    return this.#byConnection.get(connection);
  }

  /** Its WebSocket is open: from now on topics reach it. */
  subscribe(client: Client): void {
    const member = client.connection?.topicMember;
    if (member === undefined) return;
    client.isSubscribed = true;
    member.subscribe(ALL);
    for (const group of client.groups) member.subscribe(groupTopic(group));
    if (client.uid !== undefined) member.subscribe(uidTopic(client.uid));
  }

  remove(client: Client): void {
    this.all.delete(client.id);
    for (const group of client.groups) removeFrom(this.groups, group, client);
    if (client.uid !== undefined) removeFrom(this.uids, client.uid, client);
    if (client.connection === undefined) return;
    const member = client.connection.topicMember;
    for (const group of client.groups) member?.unsubscribe(groupTopic(group));
    if (client.uid !== undefined) member?.unsubscribe(uidTopic(client.uid));
    this.#siblings?.changed(client.connection.id);
  }

  /** @returns false when a bound is reached, or it cannot be handed over */
  join(client: Client, group: string): boolean {
    if (client.groups.has(group)) return true;
    if (client.groups.size >= GROUPS_PER_CLIENT_MAX || group.length > NAME_LENGTH_MAX) return false;
    if (!this.#tell(client, 'joinGroup', group)) return false;
    client.groups.add(group);
    addTo(this.groups, group, client);
    if (client.isSubscribed) client.connection?.topicMember?.subscribe(groupTopic(group));
    return true;
  }

  leave(client: Client, group: string): boolean {
    if (!client.groups.has(group)) return true;
    if (!this.#tell(client, 'leaveGroup', group)) return false;
    client.groups.delete(group);
    removeFrom(this.groups, group, client);
    client.connection?.topicMember?.unsubscribe(groupTopic(group));
    return true;
  }

  /** A client has one uid, a uid any number of clients. @returns false as join() */
  bind(client: Client, uid: string): boolean {
    if (uid.length > NAME_LENGTH_MAX || !this.#tell(client, 'bindUid', uid)) return false;
    this.#dropUid(client);
    client.uid = uid;
    addTo(this.uids, uid, client);
    if (client.isSubscribed) client.connection?.topicMember?.subscribe(uidTopic(uid));
    return true;
  }

  unbind(client: Client): boolean {
    if (client.uid === undefined) return true;
    if (!this.#tell(client, 'unbindUid', client.uid)) return false;
    this.#dropUid(client);
    return true;
  }

  setSession(client: Client, session: Session): boolean {
    if (!this.#tell(client, 'setSession', session)) return false;
    client.session = { ...session };
    return true;
  }

  #dropUid(client: Client): void {
    const { uid } = client;
    if (uid === undefined) return;
    client.uid = undefined;
    removeFrom(this.uids, uid, client);
    client.connection?.topicMember?.unsubscribe(uidTopic(uid));
  }

  /** To everybody. @returns how many have taken it, or will be sent it by their process */
  sendToAll(message: unknown, excluded: ReadonlySet<string>): number {
    this.#sendOn('all', '', message, excluded);
    return send(this.all.values(), ALL, message, excluded);
  }

  sendToGroup(group: string, message: unknown, excluded: ReadonlySet<string>): number {
    this.#sendOn('group', group, message, excluded);
    return send(this.groups.get(group) ?? [], groupTopic(group), message, excluded);
  }

  sendToUid(uid: string, message: unknown): number {
    this.#sendOn('uid', uid, message, new Set());
    return send(this.uids.get(uid) ?? [], uidTopic(uid), message, new Set());
  }

  // ---- other processes ---------------------------------------------------

  /** From now on clients are those of all processes. Resolves when they are known. */
  async share(role: WorkerRole): Promise<void> {
    if (this.#siblings !== undefined) return;
    const siblings = new Siblings(role, 'gateway', this);
    this.#siblings = siblings;
    role.onLeave(() => siblings.said());
    await siblings.known();
  }

  /** @returns false when its process owes too much, or is gone */
  handOver(client: Client, method: ClientMethod, ...args: readonly unknown[]): boolean {
    const word: Word = { kind: 'call', method, args: [client.id, ...args] };
    return this.#siblings?.send(client.serial, word, sizeOf(args[0])) ?? false;
  }

  #tell(client: Client, method: ClientMethod, ...args: readonly unknown[]): boolean {
    if (client.connection === undefined) return this.handOver(client, method, ...args);
    // What has changed is read when it leaves.
    this.#siblings?.changed(client.connection.id);
    return true;
  }

  #sendOn(to: Audience, name: string, message: unknown, excluded: ReadonlySet<string>): void {
    const word: Word = { kind: 'send', to, name, message, excluded: [...excluded] };
    this.#siblings?.sendAll(word, sizeOf(message));
  }

  *keys(): Generator<number, void> {
    for (const { connection } of this.all.values())
      if (connection !== undefined) yield connection.id;
  }

  stateOf(key: number): Told | undefined {
    const client = this.all.get(idOf(key));
    if (client?.connection === undefined) return undefined;
    return { uid: client.uid, session: client.session, groups: [...client.groups] };
  }

  learned({ serial }: BusPeer, key: number, state: unknown): void {
    const id = idOf(key);
    const before = this.all.get(id);
    if (state === undefined) {
      if (before !== undefined) this.remove(before);
      return;
    }
    const { uid, session, groups } = state as Told;
    if (before !== undefined) this.remove(before);
    const none = { connection: undefined, isSubscribed: false, silentLooks: 0 };
    const client: Client = { id, serial, uid, session, groups: new Set(groups), ...none };
    this.all.set(id, client);
    for (const group of client.groups) addTo(this.groups, group, client);
    if (uid !== undefined) addTo(this.uids, uid, client);
  }

  left({ serial }: BusPeer): void {
    for (const client of [...this.all.values()]) if (client.serial === serial) this.remove(client);
  }

  heard(_from: BusPeer, message: unknown): void {
    const word = message as Word;
    if (word.kind === 'call') {
      this.onCall(word.method, word.args);
      return;
    }
    const index = word.to === 'group' ? this.groups : this.uids;
    const named = index.get(word.name) ?? [];
    const clients = word.to === 'all' ? this.all.values() : named;
    const topic = word.to === 'group' ? groupTopic(word.name) : uidTopic(word.name);
    send(clients, word.to === 'all' ? ALL : topic, word.message, new Set(word.excluded));
  }

  report(error: unknown): void {
    processLog.report(error);
  }
}

function sizeOf(message: unknown): number {
  const isPlain = typeof message === 'string' || message instanceof Uint8Array;
  return isPlain ? message.length : 0;
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
    else if (client.connection === undefined) taken++;
    else if (!publishes || !isReached(client)) {
      if (client.connection.send(message) !== false) taken++;
    }
  }
  if (!publishes) return taken;
  const { topics } = master.ground.webSockets.context;
  const left = except?.connection?.topicMember;
  const { subscribers, dropped } = topics.publish(topic, message, undefined, left);
  return taken + subscribers - dropped;
}

function isReached(client: Client): boolean {
  return client.isSubscribed && client.connection?.topicMember !== undefined;
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

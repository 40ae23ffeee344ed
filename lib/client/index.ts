// sluice/client: the agent's end of the protocol `sluice.v1` for browsers and Node, without dependencies.

export type { StopReason } from './backoff.ts';
export type { ClientClock, ClientTimer } from './clock.ts';
export { connect, Desk } from './desk.ts';
export { type ClientStorage, uuid } from './identity.ts';
export type {
  Attachment,
  ChatItem,
  ChatMessage,
  ChatNote,
  MessageStatus,
  Reaction,
} from './message.ts';
export type {
  ConnectOptions,
  DeskEvents,
  DeskState,
  SendOptions,
  Sent,
  Signal,
  Snapshot,
  Welcome,
} from './options.ts';
export type {
  ClientMessage,
  ConversationView,
  EventMessage,
  OutgoingContent,
  Position,
  ServerMessage,
} from './protocol.ts';
export { DeskError } from './requests.ts';
export type { WebSocketConstructor, WebSocketLike } from './socket.ts';
export { Store, type StoreChange } from './store.ts';
export { Thread } from './thread.ts';

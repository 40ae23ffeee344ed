// The public readiness API, `sluice/epoll`: re-exports only.

export { type ErrorCode, isSluiceError, SluiceError } from './base/errors.ts';
export {
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  Poller,
  type PollerCallback,
} from './net/poller.ts';

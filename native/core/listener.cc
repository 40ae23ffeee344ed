// See listener.h.
#include "listener.h"

#include <cerrno>

namespace sluice {

AcceptAction ClassifyAcceptError(int error) {
  switch (-error) {
    case EAGAIN:
      return AcceptAction::kYield;
    // accept(2), NOTES: pending network errors of the new socket are reported here.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:  // A firewall rule refused this one.
    case ECONNRESET:
    case ETIMEDOUT:
      return AcceptAction::kRetry;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return AcceptAction::kPause;
    default:
      return AcceptAction::kFail;
  }
}

}  // namespace sluice

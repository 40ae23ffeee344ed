// Names of the errno values that the engine reports. Values go up negative;
// lib/native/error-names.ts turns them into text and is checked against this table by a test.
#pragma once

#include <cerrno>

// clang-format off
#define SLUICE_ERROR_CODES(X)                                                                     \
  X(EACCES) X(EADDRINUSE) X(EADDRNOTAVAIL) X(EAFNOSUPPORT) X(EAGAIN) X(EBADF) X(ECANCELED)        \
  X(ECHILD) X(ECONNABORTED) X(ECONNREFUSED) X(ECONNRESET) X(EEXIST) X(EHOSTUNREACH) X(EINVAL)     \
  X(EISCONN) X(EMFILE) X(ENETDOWN) X(ENETUNREACH) X(ENFILE) X(ENOBUFS) X(ENOENT) X(ENOMEM)        \
  X(ENOSPC) X(ENOTCONN) X(ENOTDIR) X(ENOTSOCK) X(EPERM) X(EPIPE) X(EPROTO) X(EPROTOTYPE) X(EROFS) \
  X(ETIMEDOUT)
// clang-format on

namespace sluice {

/** The symbolic name of a negative errno, or nullptr for one that is not in the table. */
[[nodiscard]] constexpr const char* ErrorName(int error) {
  switch (-error) {
#define SLUICE_ERROR_CASE(name) \
  case name:                    \
    return #name;
    SLUICE_ERROR_CODES(SLUICE_ERROR_CASE)
#undef SLUICE_ERROR_CASE
    default:
      return nullptr;
  }
}

}  // namespace sluice

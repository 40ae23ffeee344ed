// How many TLS objects the process holds, for tests: zero at the end means that nothing leaked. The
// only variables that threads share; nothing depends on them.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

struct TlsLive {
  std::atomic<int64_t> contexts = 0;
  std::atomic<int64_t> channels = 0;
};

inline TlsLive tls_live;

}  // namespace sluice

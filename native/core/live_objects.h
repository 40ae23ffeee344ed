// How many native objects live, so that a test can see that none is left. Per thread: each
// environment of the addon has a thread of its own, and whatever it makes it also frees.
#pragma once

#include <cstdint>

namespace sluice {

struct LiveObjects {
  int32_t loops = 0;
  int32_t connections = 0;
  /** Blocks of write queues: bytes that the kernel did not take. */
  int32_t blocks = 0;
  int32_t hmac_keys = 0;
};

/** The calling thread's. */
[[nodiscard]] inline LiveObjects& TheLiveObjects() {
  thread_local LiveObjects objects;
  return objects;
}

}  // namespace sluice

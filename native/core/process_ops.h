// System calls of processes that serve together: descriptors that are handed down, a lock that ends
// with its process, Unix sockets that connect, children that nobody waits for. Results are a
// descriptor or 0, or a negative errno.
#pragma once

#include <sys/types.h>

#include <string>

namespace sluice {

/** A close-on-exec duplicate of `fd`, above standard input and output. @see fcntl(2) F_DUPFD */
[[nodiscard]] int DuplicateDescriptor(int fd);

/**
 * Opens `path`, made with mode 0644 if it is not there, and locks it: the lock ends with the
 * process, also after kill -9. A file that was unlinked by its former owner meanwhile is not taken.
 * @returns the descriptor; -EAGAIN when another process has the lock @see flock(2)
 */
[[nodiscard]] int OpenLocked(const std::string& path);

/**
 * Connects to a Unix stream socket, at once or not at all.
 * @param path 1..kSocketPathBytesMax bytes; one that begins with a zero byte is an abstract name
 * @returns a non-blocking descriptor; -EAGAIN when the server's backlog is full @see unix(7)
 */
[[nodiscard]] int ConnectPath(const std::string& path);

/** Waits for a child that has ended. @returns its pid, 0 when it lives, or -errno @see waitpid(2)
 */
[[nodiscard]] int ReapChild(pid_t pid);

}  // namespace sluice

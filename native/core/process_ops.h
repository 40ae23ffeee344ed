// System calls of processes that serve together: descriptors that are handed down, a lock that ends
// with its process, Unix sockets that connect, children that nobody waits for, a program that takes
// the place of this one. Results are a descriptor or 0, or a negative errno.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

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

/**
 * Sends one datagram to a Unix socket, at once or not at all.
 * @param path as for ConnectPath
 * @returns 0; -EAGAIN when the receiver's queue is full @see unix(7)
 */
[[nodiscard]] int SendDatagram(const std::string& path, const std::string& text);

/** A close-on-exec descriptor that is readable once the process has ended. @see pidfd_open(2) */
[[nodiscard]] int OpenProcess(pid_t pid);

/** What WaitProcess adds to the number of the signal that ended a child. */
inline constexpr int kEndedBySignal = 256;

/**
 * Waits for the child behind a descriptor of OpenProcess, without blocking.
 * @returns its exit code, or kEndedBySignal and the signal's number; -EAGAIN when it lives
 * @see waitid(2) P_PIDFD
 */
[[nodiscard]] int WaitProcess(int process_fd);

/**
 * Runs another program in this process: pid, children and standard streams stay, and of the other
 * descriptors those of `kept`. Returns only when it fails; then everything is as before, but that
 * no descriptor above 2 is inherited by what is started later unless it is handed down by name.
 * @param arguments the first is the program's name
 * @param environment NAME=value
 * @returns a negative errno @see execve(2)
 */
[[nodiscard]] int ReplaceProgram(const std::string& file, const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& environment,
                                 const std::vector<int>& kept);

}  // namespace sluice

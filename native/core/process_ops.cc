// See process_ops.h.
#include "process_ops.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "limits.h"
#include "unique_fd.h"

namespace sluice {

namespace {

constexpr int kDescriptorLeast = 3;
constexpr mode_t kLockFileMode = 0644;
/** Each further attempt means that an owner has just left and taken its file with it. */
constexpr int kLockAttemptsMax = 8;

/** Whether `fd` is what `path` names now. */
bool IsStillThere(int fd, const std::string& path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace

int DuplicateDescriptor(int fd) {
  const int made = ::fcntl(fd, F_DUPFD_CLOEXEC, kDescriptorLeast);
  return made >= 0 ? made : -errno;
}

int OpenLocked(const std::string& path) {
  for (int i = 0; i < kLockAttemptsMax; ++i) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kLockFileMode));
    if (!fd.valid()) return -errno;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return -errno;
    if (IsStillThere(fd.get(), path)) return fd.Release();
  }
  return -EAGAIN;
}

int ConnectPath(const std::string& path) {
  if (path.empty() || path.size() > kSocketPathBytesMax) return -EINVAL;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '\0' ? 0 : 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, static_cast<socklen_t>(length)) != 0) return -errno;
  return fd.Release();
}

int ReapChild(pid_t pid) {
  const pid_t ended = ::waitpid(pid, nullptr, WNOHANG);
  return ended >= 0 ? static_cast<int>(ended) : -errno;
}

}  // namespace sluice

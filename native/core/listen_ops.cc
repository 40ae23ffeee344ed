// See listen_ops.h.
#include "listen_ops.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "limits.h"
#include "unique_fd.h"

namespace sluice {

static_assert(kSocketPathBytesMax < sizeof(sockaddr_un::sun_path));

namespace {

/** Fills `address`. @returns its length, or 0 if `host` is no numeric address. */
socklen_t ParseAddress(const char* host, uint16_t port, sockaddr_storage* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(address);
  if (::inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(address);
  if (::inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
  }
  return 0;
}

int SetFlag(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int SetListenerOptions(int fd, int family) {
  int error = SetFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0) error = SetFlag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  // Accepted sockets inherit it, which saves a system call for each of them.
  if (error == 0) error = SetFlag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (error == 0 && family == AF_INET6) error = SetFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  return error;
}

int NewSocket(int family) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd >= 0 ? fd : -errno;
}

/** The length is exact for an abstract name; a path in the file system ends with its zero byte. */
socklen_t UnixAddress(const std::string& path, sockaddr_un* address) {
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '\0' ? 0 : 1);
  return static_cast<socklen_t>(length);
}

/** Whether `path` is a socket whose server is dead: nobody else refuses. */
bool IsAbandoned(const std::string& path, const sockaddr_un& address, socklen_t length) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  const UniqueFd probe(NewSocket(AF_UNIX));
  if (!probe.valid()) return false;
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 &&
         errno == ECONNREFUSED;
}

/**
 * Held from before bind(2) until after listen(2), so that nobody takes a server that is just
 * starting for a dead one, and two that start at once do not replace one another.
 */
UniqueFd LockFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.Reset();
  return fd;
}

int BindPath(int fd, const std::string& path, bool may_replace) {
  sockaddr_un address{};
  const socklen_t length = UnixAddress(path, &address);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd, generic, length) == 0) return 0;
  if (errno != EADDRINUSE || !may_replace || !IsAbandoned(path, address, length)) return -errno;
  if (::unlink(path.c_str()) != 0) return -errno;
  return ::bind(fd, generic, length) == 0 ? 0 : -errno;
}

/** What bind(2) made: its permissions, and how to know it again. */
int ClaimFile(const std::string& path, int mode, SocketFile* file) {
  struct stat made {};
  if (mode >= 0 && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return -errno;
  if (::stat(path.c_str(), &made) != 0) return -errno;
  *file = {path, made.st_dev, made.st_ino};
  return 0;
}

}  // namespace

void SocketFile::Remove() {
  struct stat found {};
  if (!path.empty() && ::lstat(path.c_str(), &found) == 0 && found.st_dev == device &&
      found.st_ino == inode) {
    (void)::unlink(path.c_str());
  }
  path.clear();
}

int SetAcceptedOptions(int fd, const AcceptedOptions& options) {
  int family = 0;
  int error = CheckStreamSocket(fd, &family);
  if (error != 0 || family == AF_UNIX) return error;
  const auto set = [fd, &error](int level, int name, uint32_t value) {
    if (error == 0 && value > 0) error = SetFlag(fd, level, name, static_cast<int>(value));
  };
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.not_sent_low_bytes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
  if (options.keep_alive_s > 0) {
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, options.keep_alive_s);
    set(IPPROTO_TCP, TCP_KEEPINTVL, options.keep_alive_s);
    set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  }
  return error;
}

int ListenOn(const char* host, uint16_t port, int backlog) {
  sockaddr_storage address{};
  const socklen_t length = ParseAddress(host, port, &address);
  if (length == 0) return -EINVAL;
  const int made = NewSocket(address.ss_family);
  if (made < 0) return made;
  UniqueFd fd(made);
  const int error = SetListenerOptions(fd.get(), address.ss_family);
  if (error != 0) return error;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return -errno;
  if (::listen(fd.get(), backlog) != 0) return -errno;
  return fd.Release();
}

int ListenOnPath(const std::string& path, int mode, int backlog, SocketFile* file) {
  if (path.empty() || path.size() > kSocketPathBytesMax) return -EINVAL;
  const int made = NewSocket(AF_UNIX);
  if (made < 0) return made;
  UniqueFd fd(made);
  const bool is_file = path[0] != '\0';
  const UniqueFd lock = is_file ? LockFolder(path) : UniqueFd();
  int error = BindPath(fd.get(), path, lock.valid());
  if (error != 0) return error;
  // Nobody can connect before listen(2), so the permissions are right from the first client on.
  if (is_file) error = ClaimFile(path, mode, file);
  if (error == 0 && ::listen(fd.get(), backlog) != 0) error = -errno;
  if (error == 0) return fd.Release();
  file->Remove();
  return error;
}

int CheckStreamSocket(int fd, int* family) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length) != 0) return -errno;
  if (value != SOCK_STREAM) return -EPROTOTYPE;
  length = sizeof(*family);
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, family, &length) != 0) return -errno;
  const bool known = *family == AF_INET || *family == AF_INET6 || *family == AF_UNIX;
  return known ? 0 : -EPROTOTYPE;
}

bool IsListening(int fd) {
  int value = 0;
  socklen_t length = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}

int SetDescriptorFlags(int fd) {
  const int status = ::fcntl(fd, F_GETFL);
  if (status < 0 || ::fcntl(fd, F_SETFL, status | O_NONBLOCK) != 0) return -errno;
  return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}

int PrepareListener(int fd) {
  int family = 0;
  int error = CheckStreamSocket(fd, &family);
  if (error != 0) return error;
  if (!IsListening(fd)) return -EINVAL;
  if (family != AF_UNIX) error = SetFlag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return error != 0 ? error : SetDescriptorFlags(fd);
}

int LocalName(int fd, SocketName* name) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return -errno;
  FormatPeer(address, name);
  constexpr size_t kPathAt = offsetof(sockaddr_un, sun_path);
  if (address.ss_family != AF_UNIX || length <= kPathAt) return 0;
  const auto& local = reinterpret_cast<const sockaddr_un&>(address);
  const size_t most = length - kPathAt;
  const bool is_file = local.sun_path[0] != '\0';
  name->length = static_cast<uint32_t>(is_file ? ::strnlen(local.sun_path, most) : most);
  std::memcpy(name->text, local.sun_path, name->length);
  return 0;
}

}  // namespace sluice

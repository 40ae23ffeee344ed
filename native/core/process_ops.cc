// See process_ops.h.
#include "process_ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
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

/** The numbers of glibc 2.36 and linux 5.11, which older headers do not have. */
constexpr auto kWaitByDescriptor = static_cast<idtype_t>(3);
constexpr unsigned kCloseRangeOnExec = 1U << 2;

/** Fills in a name as unix(7) wants it. @returns its length, or -EINVAL */
int FillAddress(const std::string& path, sockaddr_un* address) {
  if (path.empty() || path.size() > kSocketPathBytesMax) return -EINVAL;
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  const size_t end = path[0] == '\0' ? 0 : 1;
  return static_cast<int>(offsetof(sockaddr_un, sun_path) + path.size() + end);
}

/** Before Linux 5.11. @returns 0 or a negative errno */
int CloseOnExecOneByOne() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -errno;
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (fd >= kDescriptorLeast) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  (void)::closedir(folder);
  return 0;
}

int CloseOthersOnExec() {
  if (::syscall(SYS_close_range, kDescriptorLeast, ~0U, kCloseRangeOnExec) == 0) return 0;
  return errno == ENOSYS || errno == EINVAL ? CloseOnExecOneByOne() : -errno;
}

std::vector<char*> PointersTo(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
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
  sockaddr_un address{};
  const int length = FillAddress(path, &address);
  if (length < 0) return length;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, static_cast<socklen_t>(length)) != 0) return -errno;
  return fd.Release();
}

int ReapChild(pid_t pid) {
  const pid_t ended = ::waitpid(pid, nullptr, WNOHANG);
  return ended >= 0 ? static_cast<int>(ended) : -errno;
}

int SendDatagram(const std::string& path, const std::string& text) {
  sockaddr_un address{};
  const int length = FillAddress(path, &address);
  if (length < 0) return length;
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const ssize_t sent = ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, generic,
                                static_cast<socklen_t>(length));
  return sent < 0 ? -errno : 0;
}

int OpenProcess(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  return fd >= 0 ? static_cast<int>(fd) : -errno;
}

int WaitProcess(int process_fd) {
  siginfo_t info{};
  const int flags = WEXITED | WNOHANG;
  if (::waitid(kWaitByDescriptor, static_cast<id_t>(process_fd), &info, flags) != 0) return -errno;
  if (info.si_pid == 0) return -EAGAIN;
  return info.si_code == CLD_EXITED ? info.si_status : kEndedBySignal + info.si_status;
}

int ReplaceProgram(const std::string& file, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment, const std::vector<int>& kept) {
  const std::vector<char*> argument_pointers = PointersTo(arguments);
  const std::vector<char*> environment_pointers = PointersTo(environment);
  int result = CloseOthersOnExec();
  if (result != 0) return result;
  // Node has standard streams closed on exec, and spawns with duplicates of them.
  int stream_flags[kDescriptorLeast];
  for (int fd = 0; fd < kDescriptorLeast; ++fd) {
    stream_flags[fd] = ::fcntl(fd, F_GETFD);
    if (stream_flags[fd] > 0) (void)::fcntl(fd, F_SETFD, 0);
  }
  for (const int fd : kept) {
    if (result == 0 && ::fcntl(fd, F_SETFD, 0) != 0) result = -errno;
  }
  if (result == 0) {
    (void)::execve(file.c_str(), argument_pointers.data(), environment_pointers.data());
    result = -errno;
  }
  for (const int fd : kept) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  for (int fd = 0; fd < kDescriptorLeast; ++fd) {
    if (stream_flags[fd] > 0) (void)::fcntl(fd, F_SETFD, stream_flags[fd]);
  }
  return result;
}

}  // namespace sluice

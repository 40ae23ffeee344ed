// LD_PRELOAD: makes the disk slow or faulty and notes the order of writes, flushes and sends.
//
// SLUICE_FAULTS_CONTROL  file of CONTROL_BYTES bytes that may be rewritten in place at any time;
// words:
//     delay=MS            every fsync and fdatasync takes that much longer
//     write=ERRNO:PART    writes to paths that contain PART fail
//     fsync=ERRNO:PART    flushes of paths that contain PART fail
// SLUICE_FSYNC_DELAY_MS  the delay where no control file is used
// SLUICE_SYSCALL_LOG     file that one line per call is appended to:
//     write PATH MARKERS        fsync PATH RESULT        send FD "FIRST BYTES" MARKERS
//     recv FD MARKERS           (only what holds markers)
// SLUICE_SYSCALL_MARK    prefix of the markers that are looked for: PREFIX followed by digits

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL_BYTES = 512, PATH_BYTES = 512, LINE_BYTES = 4096, SHOWN_BYTES = 32 };

static const volatile char *control;
static int log_fd = -1;
static const char *mark;

__attribute__((constructor)) static void Start(void) {
  const char *control_path = getenv("SLUICE_FAULTS_CONTROL");
  if (control_path != NULL) {
    int fd = open(control_path, O_RDONLY | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, CONTROL_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) control = mapped;
    if (fd >= 0) close(fd);
  }
  const char *log_path = getenv("SLUICE_SYSCALL_LOG");
  if (log_path != NULL) log_fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  mark = getenv("SLUICE_SYSCALL_MARK");
}

// ---- control -----------------------------------------------------------------------------------

// Copies the text after `word` up to the next space into `value`; false if the word is not there.
static bool ReadControl(const char *word, char *value, size_t size) {
  if (control == NULL) return false;
  char text[CONTROL_BYTES + 1];
  for (int i = 0; i < CONTROL_BYTES; i++) text[i] = control[i];
  text[CONTROL_BYTES] = '\0';
  const char *found = strstr(text, word);
  if (found == NULL) return false;
  found += strlen(word);
  size_t length = strcspn(found, " \n");
  if (length == 0 || length >= size) return false;
  memcpy(value, found, length);
  value[length] = '\0';
  return true;
}

static void PathOf(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_BYTES - 1);
  path[length < 0 ? 0 : length] = '\0';
}

// errno that the control file asks for, 0 for none.
static int FaultFor(const char *word, const char *path) {
  char value[PATH_BYTES];
  if (!ReadControl(word, value, sizeof value)) return 0;
  char *part = strchr(value, ':');
  if (part == NULL) return 0;
  return strstr(path, part + 1) == NULL ? 0 : atoi(value);
}

static void Delay(void) {
  char value[32];
  const char *text = getenv("SLUICE_FSYNC_DELAY_MS");
  if (ReadControl("delay=", value, sizeof value)) text = value;
  long ms = text == NULL ? 0 : atol(text);
  if (ms <= 0) return;
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) {
  }
}

// ---- log ---------------------------------------------------------------------------------------

struct Line {
  char text[LINE_BYTES];
  size_t length;
};

static void Add(struct Line *line, const char *format, ...) {
  va_list values;
  va_start(values, format);
  size_t room = sizeof line->text - line->length - 1;
  int length = vsnprintf(line->text + line->length, room, format, values);
  va_end(values);
  if (length > 0) line->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void AddMarkers(struct Line *line, const char *bytes, size_t size) {
  if (mark == NULL) return;
  size_t prefix = strlen(mark);
  const char *end = bytes + size;
  for (const char *at = bytes; (at = memmem(at, (size_t)(end - at), mark, prefix)) != NULL;) {
    const char *digit = at + prefix;
    while (digit < end && *digit >= '0' && *digit <= '9') digit++;
    if (digit > at + prefix) Add(line, " %.*s", (int)(digit - at), at);
    at = digit;
  }
}

static void AddShown(struct Line *line, const char *bytes, size_t size) {
  Add(line, " \"");
  for (size_t i = 0; i < size && i < SHOWN_BYTES; i++) {
    bool is_plain = bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '"';
    Add(line, "%c", is_plain ? bytes[i] : '.');
  }
  Add(line, "\"");
}

static void Append(struct Line *line) {
  Add(line, "\n");
  // Past our own wrapper; a lost line shows as a failed test.
  syscall(SYS_write, log_fd, line->text, line->length);
}

static void LogOutput(int fd, const char *path, const struct iovec *parts, int count) {
  if (log_fd < 0 || fd == log_fd) return;
  bool is_file = path[0] == '/';
  struct Line line = {.length = 0};
  if (is_file)
    Add(&line, "write %s", path);
  else
    Add(&line, "send %d", fd);
  if (!is_file && count > 0) AddShown(&line, parts[0].iov_base, parts[0].iov_len);
  for (int i = 0; i < count; i++) AddMarkers(&line, parts[i].iov_base, parts[i].iov_len);
  Append(&line);
}

// Notes an output before it happens; -1 with errno set when it must fail.
static int BeforeOutput(int fd, const struct iovec *parts, int count) {
  if (control == NULL && log_fd < 0) return 0;
  char path[PATH_BYTES];
  PathOf(fd, path);
  int fault = FaultFor("write=", path);
  if (fault != 0) {
    errno = fault;
    return -1;
  }
  LogOutput(fd, path, parts, count);
  return 0;
}

// ---- the calls ---------------------------------------------------------------------------------

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int Flush(int fd, int (*real)(int)) {
  char path[PATH_BYTES];
  PathOf(fd, path);
  Delay();
  int fault = FaultFor("fsync=", path);
  int result = fault == 0 ? real(fd) : -1;
  if (fault != 0) errno = fault;
  int saved = errno;
  if (log_fd >= 0) {
    struct Line line = {.length = 0};
    Add(&line, "fsync %s %d", path, result);
    Append(&line);
  }
  errno = saved;
  return result;
}

int fsync(int fd) { return Flush(fd, REAL(fsync)); }

int fdatasync(int fd) { return Flush(fd, REAL(fdatasync)); }

ssize_t write(int fd, const void *bytes, size_t size) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  return BeforeOutput(fd, &part, 1) < 0 ? -1 : REAL(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return BeforeOutput(fd, parts, count) < 0 ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  return BeforeOutput(fd, &part, 1) < 0 ? -1 : REAL(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  return BeforeOutput(fd, &part, 1) < 0 ? -1 : REAL(pwrite64)(fd, bytes, size, offset);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  return BeforeOutput(fd, &part, 1) < 0 ? -1 : REAL(send)(fd, bytes, size, flags);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags) {
  ssize_t count = REAL(recv)(fd, bytes, size, flags);
  int saved = errno;
  if (log_fd >= 0 && count > 0) {
    struct Line line = {.length = 0};
    Add(&line, "recv %d", fd);
    size_t head = line.length;
    AddMarkers(&line, bytes, (size_t)count);
    if (line.length > head) Append(&line);
  }
  errno = saved;
  return count;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  int count = (int)message->msg_iovlen;
  return BeforeOutput(fd, message->msg_iov, count) < 0 ? -1 : REAL(sendmsg)(fd, message, flags);
}

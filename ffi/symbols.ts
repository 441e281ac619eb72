/**
 * The one table of libc functions this program calls, with the C prototype of each. No structure
 * goes by value and there are no callbacks, so every blocking symbol gets V8's fast call.
 *
 * 64-bit arguments are `u64`/`usize` and must be given as BigInt: a Number takes the slow path,
 * ten times slower. Signed results that may be negative are declared at their full width.
 *
 * @module
 */

/** For each function its parameters and result, as Deno FFI names their types. */
export const SYMBOLS = {
  // int *__errno_location(void)
  __errno_location: { parameters: [], result: "pointer" },
  // int close(int fd)
  close: { parameters: ["i32"], result: "i32" },
  // The same on Deno's blocking pool: a tenant's descriptor may block in close() for ever.
  close_off_thread: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  // The same as an address, for a thread to begin with.
  close_address: { name: "close", type: "pointer" },
  // int pthread_attr_init(pthread_attr_t *attr)
  pthread_attr_init: { parameters: ["buffer"], result: "i32", optional: true },
  // int pthread_attr_setstacksize(pthread_attr_t *attr, size_t stacksize)
  pthread_attr_setstacksize: { parameters: ["buffer", "usize"], result: "i32", optional: true },
  // int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
  pthread_create: {
    parameters: ["buffer", "buffer", "pointer", "usize"],
    result: "i32",
    optional: true,
  },
  // int pthread_tryjoin_np(pthread_t thread, void **retval)
  pthread_tryjoin_np: { parameters: ["u64", "pointer"], result: "i32", optional: true },
  // int open(const char *path, int flags)
  open: { parameters: ["buffer", "i32"], result: "i32" },
  // The same on Deno's blocking pool: the path may lead through a tenant's file system.
  open_off_thread: {
    name: "open",
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  // ssize_t read(int fd, void *buf, size_t count)
  read: { parameters: ["i32", "buffer", "usize"], result: "i64" },
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i64" },
  // ssize_t preadv2(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags)
  preadv2: { parameters: ["i32", "buffer", "i32", "i64", "i32"], result: "i64" },
  // The same as read on Deno's blocking pool: a tenant's pipe may have nothing to read.
  read_off_thread: {
    name: "read",
    parameters: ["i32", "buffer", "usize"],
    result: "i64",
    nonblocking: true,
  },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { parameters: ["i32", "buffer", "usize"], result: "i64" },
  // The same on Deno's blocking pool: a tenant's pipe may have no room.
  write_off_thread: {
    name: "write",
    parameters: ["i32", "buffer", "usize"],
    result: "i64",
    nonblocking: true,
  },
  // The same read, and writev, for frames: a Number for a result that is small, and no BigInt.
  read_frame: { name: "read", parameters: ["i32", "buffer", "u32"], result: "i32" },
  // ssize_t writev(int fd, const struct iovec *iov, int iovcnt)
  write_frame: { name: "writev", parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int ioctl(int fd, unsigned long request, void *argument)
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  // The same where the argument is no pointer.
  ioctl_value: { name: "ioctl", parameters: ["i32", "u64", "u64"], result: "i32" },
  // int pipe2(int fd[2], int flags)
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  // int fcntl(int fd, int cmd, int arg)
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // The same on Deno's blocking pool: the owner of a file can hold the lock that sealing it takes.
  fcntl_off_thread: {
    name: "fcntl",
    parameters: ["i32", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  // int fstat(int fd, struct stat *statbuf)
  fstat: { parameters: ["i32", "buffer"], result: "i32" },
  // int ftruncate(int fd, off_t length)
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  // int posix_fallocate(int fd, off_t offset, off_t len)
  posix_fallocate: { parameters: ["i32", "i64", "i64"], result: "i32" },

  // int socket(int domain, int type, int protocol)
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int socketpair(int domain, int type, int protocol, int sv[2])
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int bind(int fd, const struct sockaddr *addr, socklen_t len)
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int listen(int fd, int backlog)
  listen: { parameters: ["i32", "i32"], result: "i32" },
  // int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  // int connect(int fd, const struct sockaddr *addr, socklen_t len)
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // The same on Deno's blocking pool: the path may lead through a tenant's file system.
  connect_off_thread: {
    name: "connect",
    parameters: ["i32", "buffer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  // int shutdown(int fd, int how)
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  // int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i64" },
  // ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i64" },
  // Both for frames: a Number for a result that is small, and no BigInt.
  recvmsg_frames: { name: "recvmsg", parameters: ["i32", "buffer", "i32"], result: "i32" },
  sendmsg_frames: { name: "sendmsg", parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  // int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },

  // void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
  mmap: { parameters: ["u64", "usize", "i32", "i32", "i32", "i64"], result: "u64" },
  // void *mremap(void *old, size_t old_len, size_t new_len, int flags, void *new)
  mremap: { parameters: ["u64", "usize", "usize", "i32", "u64"], result: "u64" },
  // int mprotect(void *addr, size_t len, int prot)
  mprotect: { parameters: ["u64", "usize", "i32"], result: "i32" },
  // int munmap(void *addr, size_t len)
  munmap: { parameters: ["u64", "usize"], result: "i32" },
  // int madvise(void *addr, size_t len, int advice)
  madvise: { parameters: ["u64", "usize", "i32"], result: "i32" },
  // int memfd_create(const char *name, unsigned flags)
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // void *memcpy(void *dest, const void *src, size_t n); n as u32 is zero-extended in its register
  // (Cranelift's fast call and the slow path alike on both processors: tests/unit/ffi/memory_test.ts).
  memcpy: { parameters: ["u64", "u64", "u32"], result: "void" },

  // int eventfd(unsigned initval, int flags)
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // int eventfd_write(int fd, eventfd_t value)
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
  // The same on Deno's blocking pool: a tenant can make its eventfd block the writer.
  eventfd_write_off_thread: {
    name: "eventfd_write",
    parameters: ["i32", "u64"],
    result: "i32",
    nonblocking: true,
  },
  // int epoll_create1(int flags)
  epoll_create1: { parameters: ["i32"], result: "i32" },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  // The same on Deno's blocking pool, for a thread that must stay responsive (about 50 us more).
  epoll_wait_off_thread: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },

  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int sched_setaffinity(pid_t pid, size_t len, const cpu_set_t *mask)
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  // int prctl(int option, unsigned long arg2, ...)
  prctl: { parameters: ["i32", "buffer", "u64", "u64", "u64"], result: "i32" },
  // The same where arg2 is no pointer.
  prctl_value: {
    name: "prctl",
    parameters: ["i32", "u64", "u64", "u64", "u64"],
    result: "i32",
  },
  // long syscall(long number, ...), with the arguments of each call that libc has no name for.
  syscall_seccomp: {
    name: "syscall",
    parameters: ["u64", "u64", "u64", "buffer"],
    result: "i64",
  },
  syscall_landlock_create: {
    name: "syscall",
    parameters: ["u64", "buffer", "u64", "u64"],
    result: "i64",
  },
  syscall_landlock_add: {
    name: "syscall",
    parameters: ["u64", "u64", "u64", "buffer", "u64"],
    result: "i64",
  },
  syscall_landlock_restrict: {
    name: "syscall",
    parameters: ["u64", "u64", "u64"],
    result: "i64",
  },
  syscall_io_setup: { name: "syscall", parameters: ["i64", "u64", "buffer"], result: "i32" },
  syscall_io_submit: {
    name: "syscall",
    parameters: ["i64", "u64", "i64", "buffer"],
    result: "i32",
  },
  // int clock_gettime(clockid_t clock, struct timespec *now)
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  // int nanosleep(const struct timespec *duration, struct timespec *rem)
  nanosleep: { parameters: ["buffer", "usize"], result: "i32" },
  // long syscall(long number, ...), for calls that older C libraries have no name for
  syscall: { parameters: ["i64", "i64", "i64"], result: "i64" },
  // long sysconf(int name)
  sysconf: { parameters: ["i32"], result: "i64" },
  // int getrusage(int who, struct rusage *usage)
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
  // int getrlimit(int resource, struct rlimit *rlim)
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  // int setrlimit(int resource, const struct rlimit *rlim)
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

function open(): Deno.DynamicLibrary<typeof SYMBOLS> {
  if (
    Deno.build.os !== "linux" || (Deno.build.arch !== "x86_64" && Deno.build.arch !== "aarch64")
  ) {
    throw new Error(
      `Cannot start on ${Deno.build.os}/${Deno.build.arch}: vuswitch needs Linux on x86_64 or aarch64`,
    );
  }
  return Deno.dlopen("libc.so.6", SYMBOLS);
}

/** The bound functions. Opened once per thread, by the first import, and never closed. */
export const libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] = open().symbols;

/**
 * Numbers and structure layouts of the Linux ABI that the bindings use: constants exactly as in the
 * kernel and libc headers, structures as byte offsets. Linux x86-64 and aarch64, both LP64 and
 * little-endian; the one layout that differs between them is `epoll_event`.
 *
 * @module
 */

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_PEERCRED = 17;
export const SCM_RIGHTS = 1;
export const MSG_CTRUNC = 0x8;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SHUT_RDWR = 2;

export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;

export const MADV_DONTFORK = 10;
export const MADV_DONTDUMP = 16;
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;

export const F_GETFD = 1;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const O_NONBLOCK = 0o4000;
export const O_RDWR = 0o2;
export const O_CLOEXEC = 0o2000000;
/** Fails at a symbolic link; with O_PATH, names the link itself. */
export const O_NOFOLLOW = 0o400000;
/** A read that would block fails, however the file was opened. */
export const RWF_NOWAIT = 0x8;
/** A descriptor that names a file and cannot be used otherwise. */
export const O_PATH = 0o10000000;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;

export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;

export const PR_SET_NAME = 15;
export const RLIMIT_NOFILE = 7;

/** `struct sockaddr_un`: family u16@0, path@2 (108 bytes with its NUL, so 107 usable). */
export const SIZEOF_SOCKADDR_UN = 110;
/** Longest socket path in bytes; the kernel wants room for the closing NUL. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** `struct iovec`: base u64@0, len u64@8. */
export const SIZEOF_IOVEC = 16;

/** `struct msghdr`, 56 bytes: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48. */
export const SIZEOF_MSGHDR = 56;
export const MSGHDR_IOV = 16;
export const MSGHDR_IOVLEN = 24;
export const MSGHDR_CONTROL = 32;
export const MSGHDR_CONTROLLEN = 40;
export const MSGHDR_FLAGS = 48;

/** `struct cmsghdr`, 16 bytes: len u64@0, level i32@8, type i32@12, data@16, aligned to 8. */
export const SIZEOF_CMSGHDR = 16;
/** The kernel puts at most this many descriptors into one message (SCM_MAX_FD). */
export const SCM_MAX_FD = 253;

/** `struct epoll_event` is packed on x86-64 alone: events u32@0, data u64@4 (12) or @8 (16). */
export const SIZEOF_EPOLL_EVENT = Deno.build.arch === "x86_64" ? 12 : 16;
export const EPOLL_EVENT_DATA = Deno.build.arch === "x86_64" ? 4 : 8;

/**
 * `struct stat`, 144 bytes (x86-64) or 128 (aarch64); st_dev@0, st_ino@8, st_size@48, st_ctim@104
 * (seconds, then nanoseconds) on both.
 */
export const SIZEOF_STAT = 144;
export const STAT_DEV = 0;
export const STAT_INO = 8;
export const STAT_SIZE = 48;
export const STAT_CTIME = 104;
/** `st_blksize`: i64@56 on x86-64, i32@56 on aarch64; the low word is the same. */
export const STAT_BLKSIZE = 56;

/** `struct ucred`: pid i32@0, uid u32@4, gid u32@8. */
export const SIZEOF_UCRED = 12;

/** `cpu_set_t` as the kernel takes it: a bit per processor, here 1,024 of them. */
export const SIZEOF_CPU_SET = 128;

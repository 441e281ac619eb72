/**
 * Numbers and structure layouts of the Linux ABI that the bindings use: constants exactly as in the
 * kernel and libc headers, structures as byte offsets. Linux x86-64 and aarch64, both LP64 and
 * little-endian; the one layout that differs between them is `epoll_event`.
 *
 * @module
 */

/** Address family of sockets that are files: unix(7). */
export const AF_UNIX = 1;
/** Keeps no message boundaries: what is read is split as the kernel likes. */
export const SOCK_STREAM = 1;
/** Used only to ask whether a path is held: `isSocketHeld`. */
export const SOCK_DGRAM = 2;
/** Messages that keep their bounds, over a connection. */
export const SOCK_SEQPACKET = 5;
/** This socket's calls fail with EAGAIN instead of waiting. */
export const SOCK_NONBLOCK = 0o4000;
/** The socket is closed by execve(2). */
export const SOCK_CLOEXEC = 0o2000000;
/** Level of `setsockopt`, `getsockopt` and of the control messages below. */
export const SOL_SOCKET = 1;
/** How many bytes may wait to be sent, as far as the system allows. */
export const SO_SNDBUF = 7;
/** Whether a unix socket takes descriptors (Linux 6.16): without, who sends some gets EPERM. */
export const SO_PASSRIGHTS = 83;
/** Asks for a `struct ucred` of the peer, as it was at connect(2): unix(7). */
export const SO_PEERCRED = 17;
/** The family of a socket. */
export const SO_DOMAIN = 39;
/** Control message whose data are descriptors, i32 each. */
export const SCM_RIGHTS = 1;
/** Set by recvmsg(2): control data did not fit, and descriptors in it are lost. */
export const MSG_CTRUNC = 0x8;
/** This one call does not block. */
export const MSG_DONTWAIT = 0x40;
/** EPIPE instead of the signal SIGPIPE where the peer is gone. */
export const MSG_NOSIGNAL = 0x4000;
/** Descriptors that arrive are close-on-exec. */
export const MSG_CMSG_CLOEXEC = 0x40000000;

/** Pages may not be touched: mmap(2). */
export const PROT_NONE = 0;
/** Pages may be read: mmap(2). */
export const PROT_READ = 0x1;
/** Pages may be written. */
export const PROT_WRITE = 0x2;
/** What is in pages may be run. */
export const PROT_EXEC = 0x4;
/** Writes reach the file and everyone who maps it. */
export const MAP_SHARED = 0x01;
/** Writes are this process's own. */
export const MAP_PRIVATE = 0x02;
/** At this address and no other, in place of what is mapped there. */
export const MAP_FIXED = 0x10;
/** Memory of no file. */
export const MAP_ANONYMOUS = 0x20;
/** At this address and no other; EEXIST where something is mapped. */
export const MAP_FIXED_NOREPLACE = 0x100000;
/** No swap space is set aside: a page is paid for when it is touched. */
export const MAP_NORESERVE = 0x4000;

/** mremap(2): to another address. */
export const MREMAP_MAYMOVE = 1;
/** mremap(2): to the given address, in place of what is mapped there. */
export const MREMAP_FIXED = 2;

/** The pages of the range are let go of; those of a shared file stay in the file. */
export const MADV_DONTNEED = 4;
/** A child of fork(2) does not get the range: madvise(2). */
export const MADV_DONTFORK = 10;
/** The range is left out of core files. */
export const MADV_DONTDUMP = 16;
/** memfd_create(2): the descriptor is close-on-exec. */
export const MFD_CLOEXEC = 0x1;
/** memfd_create(2): the file takes seals (F_ADD_SEALS). */
export const MFD_ALLOW_SEALING = 0x2;

/** Adds seals (F_SEAL_*), which nobody can take away again. */
export const F_ADD_SEALS = 1033;
/** Reads the seals; EINVAL for a file that is not shmem or hugetlbfs. */
export const F_GET_SEALS = 1034;
/** Reads the flags of a descriptor itself (FD_CLOEXEC). */
export const F_GETFD = 1;
/** Sets those. */
export const F_SETFD = 2;
/** The descriptor is closed by execve(2): nobody handed it over. */
export const FD_CLOEXEC = 1;
/** Makes another descriptor of the same open file, which execve(2) closes. */
export const F_DUPFD_CLOEXEC = 1030;
/** Reads the flags of the open file (O_*), which all its descriptors share. */
export const F_GETFL = 3;
/** Sets those flags; of the ones here only O_NONBLOCK can change. */
export const F_SETFL = 4;
/** Reads and writes fail with EAGAIN instead of waiting. */
export const O_NONBLOCK = 0o4000;
/** Opens to read and write. */
export const O_RDWR = 0o2;
/** The descriptor is closed by execve(2). */
export const O_CLOEXEC = 0o2000000;
/** Fails at a symbolic link; with O_PATH, names the link itself. */
export const O_NOFOLLOW = 0o400000;
/** A read that would block fails, however the file was opened. */
export const RWF_NOWAIT = 0x8;
/** A descriptor that names a file and cannot be used otherwise. */
export const O_PATH = 0o10000000;
/** No more seals can be added. */
export const F_SEAL_SEAL = 0x1;
/** The file cannot shrink: what is mapped of it stays backed. */
export const F_SEAL_SHRINK = 0x2;
/** The file cannot grow. */
export const F_SEAL_GROW = 0x4;

/** eventfd(2): close-on-exec. */
export const EFD_CLOEXEC = 0o2000000;
/** eventfd(2): a read at 0 and a write at the top fail with EAGAIN. */
export const EFD_NONBLOCK = 0o4000;
/** epoll_create1(2): close-on-exec. */
export const EPOLL_CLOEXEC = 0o2000000;
/** Starts to watch a descriptor. */
export const EPOLL_CTL_ADD = 1;
/** Stops to watch a descriptor. */
export const EPOLL_CTL_DEL = 2;
/** Changes what is watched of a descriptor. */
export const EPOLL_CTL_MOD = 3;
/** There is something to read, a connection to accept or the end of the stream. */
export const EPOLLIN = 0x1;
/** A write would not block. */
export const EPOLLOUT = 0x4;
/** An error stands on the descriptor. Always reported, watched or not. */
export const EPOLLERR = 0x8;
/** Both directions have ended. Always reported, watched or not. */
export const EPOLLHUP = 0x10;
/** Edge-triggered: reported once for each change, not for as long as it is so. Bit 31. */
export const EPOLLET = 0x80000000;

/** Names the calling thread: prctl(2). */
export const PR_SET_NAME = 15;
/** How many descriptors the process may hold: getrlimit(2). */
export const RLIMIT_NOFILE = 7;
/** How much address space the process may have, bytes. */
export const RLIMIT_AS = 9;

/** Time that the calling thread has run: clock_gettime(2). */
export const CLOCK_THREAD_CPUTIME_ID = 3;
/** For sysconf: processors that are online, whoever may use them. */
export const _SC_NPROCESSORS_ONLN = 84;
/** The calling thread, for getrusage(2). */
export const RUSAGE_THREAD = 1;
/** Size of struct rusage. */
export const SIZEOF_RUSAGE = 144;
/** Where it has pages that came in without waiting for a disk. */
export const RUSAGE_MINFLT = 64;
/** Where it has the others. */
export const RUSAGE_MAJFLT = 72;
/** Where it has voluntary context switches. */
export const RUSAGE_NVCSW = 128;
/** `struct timespec`, 16 bytes: seconds i64@0, nanoseconds i64@8. */
export const SIZEOF_TIMESPEC = 16;

/** `struct sockaddr_un`: family u16@0, path@2 (108 bytes with its NUL, so 107 usable). */
export const SIZEOF_SOCKADDR_UN = 110;
/** Longest socket path in bytes; the kernel wants room for the closing NUL. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** `struct iovec`: base u64@0, len u64@8. */
export const SIZEOF_IOVEC = 16;

/** `struct ifreq`, 40 bytes: name@0 (16 with its NUL), then a value of the request's at 16. */
export const SIZEOF_IFREQ = 40;
/** Offset of the value: flags u16, MTU i32, index i32, … */
export const IFREQ_VALUE = 16;
/** Longest name of a network device, bytes. */
export const IF_NAME_BYTES_MAX = 15;
/** The interface flags: netdevice(7). */
export const SIOCGIFFLAGS = 0x8913n;
/** Sets them; needs CAP_NET_ADMIN. */
export const SIOCSIFFLAGS = 0x8914n;
/** Its MAC address, behind two bytes that say what kind of address; asked of a TAP queue too. */
export const SIOCGIFHWADDR = 0x8927n;
/** Sets its IPv4 address: a sockaddr_in as the value; needs CAP_NET_ADMIN. */
export const SIOCSIFADDR = 0x8916n;
/** Sets the netmask of that, in the same form. */
export const SIOCSIFNETMASK = 0x891cn;
/** The MTU, bytes. */
export const SIOCGIFMTU = 0x8921n;
/** Sets it; needs CAP_NET_ADMIN. */
export const SIOCSIFMTU = 0x8922n;
/** ethtool(8): ifreq, the value is the address of a command. */
export const SIOCETHTOOL = 0x8946n;
/** Whether the link is up: u32 command, u32 answer. */
export const ETHTOOL_GLINK = 0xa;
/** An operator wants it up. */
export const IFF_UP = 0x1;
/** It has a carrier and works. */
export const IFF_RUNNING = 0x40;

/** Makes a queue of a TAP device of a descriptor: ifreq. */
export const TUNSETIFF = 0x400454can;
/** Which offloads are read: the TUN_F flags, by value. */
export const TUNSETOFFLOAD = 0x400454d0n;
/** Name and flags of the device: ifreq. */
export const TUNGETIFF = 0x800454d2n;
/** Bytes of the virtio-net header: int. */
export const TUNSETVNETHDRSZ = 0x400454d8n;
/** The device's carrier: int, 0 or 1. */
export const TUNSETCARRIER = 0x400454e2n;
/** Ethernet frames. */
export const IFF_TAP = 0x2;
/** The device stays when its last descriptor is closed. */
export const IFF_PERSIST = 0x800;
/** One descriptor for each of several queues. */
export const IFF_MULTI_QUEUE = 0x100;
/** Frames without four bytes of protocol in front. */
export const IFF_NO_PI = 0x1000;
/** Frames with a virtio-net header in front. */
export const IFF_VNET_HDR = 0x4000;

/** Address family of IPv4; `struct sockaddr_in`: family u16@0, port u16@2, address@4, big-endian. */
export const AF_INET = 2;
/** Address family of the kernel's news: netlink(7). */
export const AF_NETLINK = 16;
/** Each message keeps its bounds, and comes whole. */
export const SOCK_RAW = 3;
/** News of network devices: rtnetlink(7). */
export const RTMGRP_LINK = 1;
/** `struct sockaddr_nl`: family u16@0, pid u32@4, groups u32@8. */
export const SIZEOF_SOCKADDR_NL = 12;

/** `struct msghdr`, 56 bytes: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48. */
export const SIZEOF_MSGHDR = 56;
/** Offset of the address of the first iovec, u64. */
export const MSGHDR_IOV = 16;
/** Offset of the number of iovecs, u64. */
export const MSGHDR_IOVLEN = 24;
/** Offset of the address of the control area, u64. */
export const MSGHDR_CONTROL = 32;
/** Offset of its size, u64: in what is there, out what was written. */
export const MSGHDR_CONTROLLEN = 40;
/** Offset of the flags recvmsg(2) sets, i32 (MSG_CTRUNC). */
export const MSGHDR_FLAGS = 48;

/** `struct mmsghdr`, 64 bytes: a msghdr, then bytes that went u32@56. */
export const SIZEOF_MMSGHDR = 64;

/** `struct cmsghdr`, 16 bytes: len u64@0, level i32@8, type i32@12, data@16, aligned to 8. */
export const SIZEOF_CMSGHDR = 16;
/** The kernel puts at most this many descriptors into one message (SCM_MAX_FD). */
export const SCM_MAX_FD = 253;

/** `struct epoll_event` is packed on x86-64 alone: events u32@0, data u64@4 (12) or @8 (16). */
export const SIZEOF_EPOLL_EVENT: number = Deno.build.arch === "x86_64" ? 12 : 16;
/** Offset of the caller's own 64 bits in `struct epoll_event`. */
export const EPOLL_EVENT_DATA: number = Deno.build.arch === "x86_64" ? 4 : 8;

/**
 * `struct stat`, 144 bytes (x86-64) or 128 (aarch64); st_dev@0, st_ino@8, st_size@48, st_ctim@104
 * (seconds, then nanoseconds) on both.
 */
export const SIZEOF_STAT = 144;
/** `st_dev`, u64: the device that holds the file. */
export const STAT_DEV = 0;
/** `st_ino`, u64: the file's number on that device. */
export const STAT_INO = 8;
/** `st_size`, i64: bytes. */
export const STAT_SIZE = 48;
/** `st_ctim`: seconds i64, then nanoseconds i64. */
export const STAT_CTIME = 104;
/** `st_blksize`: i64@56 on x86-64, i32@56 on aarch64; the low word is the same. */
export const STAT_BLKSIZE = 56;

/** The signal of a page that cannot be had: signal(7). */
export const SIGBUS = 7;
/** `si_code` of it: nothing is at the address. */
export const BUS_ADRERR = 2;
/** sigaction(2): the handler has three arguments. */
export const SA_SIGINFO = 0x4;
/** sigaction(2): it runs on the thread's stack for signals, if there is one. */
export const SA_ONSTACK = 0x0800_0000;
/** sigaction(2): system calls go on after it. */
export const SA_RESTART = 0x1000_0000;
/** glibc's `struct sigaction`: handler u64@0, mask 128 bytes@8, flags i32@136, restorer u64@144. */
export const SIZEOF_SIGACTION = 152;
/** Offset of its flags. */
export const SIGACTION_FLAGS = 136;
/** `siginfo_t`: si_signo i32@0, si_code i32@8, si_addr u64@16. */
export const SIZEOF_SIGINFO = 128;
/** Offset of what kind of signal it is. */
export const SIGINFO_CODE = 8;
/** Offset of the address of a fault. */
export const SIGINFO_ADDR = 16;

/** `struct ucred`: pid i32@0, uid u32@4, gid u32@8. */
export const SIZEOF_UCRED = 12;

/** `cpu_set_t` as the kernel takes it: a bit per processor, here 1,024 of them. */
export const SIZEOF_CPU_SET = 128;

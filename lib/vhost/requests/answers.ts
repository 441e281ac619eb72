/**
 * What front-ends expect of each answer: read in the sources of QEMU (hw/virtio/vhost-user.c), of
 * rust-vmm (vhost/src/vhost_user/frontend.rs) and, for what its own front-ends were written against,
 * of libvhost-user. All of them want exactly one message back, with flags 0x5 (reply, version 1) and
 * the number of the request, also where the request asked for an acknowledgement with NEED_REPLY: a
 * message with an answer of its own is never acknowledged on top of it. A reader that takes a size
 * for granted leaves what is too much in the socket, and every answer after it is out of step.
 *
 * @module
 */

/** The answer to one message of the front-end. */
export interface Answer {
  /** Its payload, in words. */
  readonly payload: string;
  /** Its bytes when all went well; null: as many as were asked for. */
  readonly bytes: number | null;
  /** Descriptors that come along. */
  readonly fds: 0 | 1;
  /** How it says no; a connection that ends is the answer where none of these readers looks. */
  readonly failure: string;
  /** Which front-ends read how much of it, and what they refuse. */
  readonly readers: string;
}

/**
 * To whatever has no answer of its own: sent only if asked for with NEED_REPLY, and REPLY_ACK was
 * negotiated.
 */
export const ACKNOWLEDGED: Answer = {
  payload: "u64 0, if asked for",
  bytes: 8,
  fds: 0,
  failure: "u64 1, or the connection ends",
  readers: "all: 8 bytes",
};

const ENDS = "the connection ends";
/** A u64. */
export const NUMBER: Answer = {
  payload: "u64",
  bytes: 8,
  fds: 0,
  failure: ENDS,
  readers: "all: 8 bytes, QEMU and rust-vmm refuse others",
};
/** A vring state: where the ring stands. */
export const POSITION: Answer = {
  payload: "vring state",
  bytes: 8,
  fds: 0,
  failure: ENDS,
  readers: "all: 8 bytes, QEMU and rust-vmm refuse others",
};

/** A u64: 0, or 1 for a failure. */
export const VERDICT: Answer = {
  payload: "u64 0",
  bytes: 8,
  fds: 0,
  failure: "u64 1",
  readers: "QEMU: 8 bytes, anything but 0 is a failure",
};

/** To SET_LOG_BASE. */
export const LOGGED: Answer = {
  payload: "u64 0",
  bytes: 8,
  fds: 0,
  failure: "u64 1 to NEED_REPLY, else the connection ends",
  readers: "QEMU: always waits, for any payload, and takes each for success; " +
    "rust-vmm: 8 bytes, 0 is success, if it set NEED_REPLY; libvhost-user: sends none or 8 bytes",
};

/** A part of the configuration space. */
export const CONFIG_PART: Answer = {
  payload: "offset, size, flags, data",
  bytes: null,
  fds: 0,
  failure: "no payload",
  readers: "QEMU and rust-vmm: as many bytes as they sent; no payload is an error to both",
};

/** A new inflight area. */
export const INFLIGHT_AREA: Answer = {
  payload: "inflight description",
  bytes: 24,
  fds: 1,
  failure: ENDS,
  readers: "QEMU and libvhost-user: 24 bytes; rust-vmm: 24 bytes and exactly one descriptor",
};

/** Whose channel a state goes over. */
export const STATE_CHANNEL: Answer = {
  payload: "u64 0x100: the front-end's own descriptor is used",
  bytes: 8,
  fds: 0,
  failure: "u64 0x101",
  readers: "QEMU: 8 bytes, errors in the low 8 bits; a descriptor only without bit 8",
};

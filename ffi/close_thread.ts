/**
 * Closing a descriptor on a thread of its own. The runtime's blocking pool has 32 threads for
 * everything; a tenant that blocks a close here takes none of them. The thread runs close(2) itself,
 * with the descriptor for its argument, so there is no code of ours on it.
 *
 * @module
 */
import { EBUSY } from "./errno.ts";
import { libc } from "./symbols.ts";

/** More than pthread_attr_t has on any processor. */
const ATTRIBUTES_BYTES = 128;
/** Enough for thread-local storage and a system call; only address space until it is touched. */
const STACK_BYTES = 2n ** 20n;

/** A close(2) under way. */
export interface CloseThread {
  /** Whether it has ended. */
  ended(): boolean;
}

/**
 * Closes a descriptor on a thread made for that. Control thread only.
 * @returns null: there is no such thread to be had, and nothing was done
 */
export function startCloseThread(fd: number): CloseThread | null {
  const { close_address, pthread_create, pthread_attr_init, pthread_attr_setstacksize } = libc;
  const { pthread_tryjoin_np: tryJoin } = libc;
  // C libraries before glibc 2.34 have threads in another file.
  if (!pthread_create || !pthread_attr_init || !pthread_attr_setstacksize || !tryJoin) return null;
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  pthread_attr_init(attributes);
  pthread_attr_setstacksize(attributes, STACK_BYTES);
  const thread = new BigUint64Array(1);
  // Of its argument close() reads the lower half.
  const failure = pthread_create(thread, attributes, close_address, BigInt(fd));
  if (failure !== 0) return null;
  let over = false;
  // Of a thread that was joined nobody may ask again.
  return { ended: () => over ||= tryJoin(thread[0] as bigint, null) !== EBUSY };
}

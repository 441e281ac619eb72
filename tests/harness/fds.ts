/**
 * Descriptors as tenants make them, and errors of the calls on them.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { SystemError } from "../../ffi/mod.ts";
import { EFD_CLOEXEC } from "../../ffi/abi.ts";
import { libc } from "../../ffi/symbols.ts";

/** An eventfd's counter ends here: whoever adds to it waits, or is told to try again. */
const FULL = 2n ** 64n - 2n;

/** An eventfd that is full and blocks whoever writes to it, as a tenant can make one. */
export function fullEventFd(): number {
  const fd = libc.eventfd(0, EFD_CLOEXEC);
  assert(fd >= 0);
  assert.equal(libc.eventfd_write(fd, FULL), 0);
  return fd;
}

/** Whether an error is of a system call that failed with `code`, for `assert.throws`. */
export function failedWith(code: number): (error: unknown) => boolean {
  return (error) => error instanceof SystemError && error.code === code;
}

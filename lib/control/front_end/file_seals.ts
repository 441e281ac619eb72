/**
 * Sealing tenants' memory files before the message that brought them is handled. To add a seal the
 * kernel takes a lock of the file that its owner can hold for as long as a fallocate takes: so it is
 * done off the thread, on a lane of its own, and not waited for without end. To map a file of huge
 * pages takes that lock as well, and all memory of this process meanwhile: such a one is knocked at
 * here by adding a seal, whether it takes one or not.
 *
 * @module
 */
import { F_SEAL_SEAL, F_SEAL_SHRINK, fdSeals, sealTenantFd, statFd } from "../../../ffi/mod.ts";
import { LIMITS } from "../../base/port_limits.ts";
import type { Outcome } from "../../vhost/session.ts";
import {
  type Message,
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_SET_INFLIGHT_FD,
  VHOST_USER_SET_LOG_BASE,
  VHOST_USER_SET_MEM_TABLE,
} from "../../vhost/wire/message.ts";
import { endOnFailure } from "./command_failures.ts";
import { type BlockingPool, TenantFds } from "./tenant_fds.ts";

const PAGE_BYTES = 4096;
/** How long a file may take, ms. */
const SEAL_MS_MAX = LIMITS["file-time"].most;

/** Messages that bring memory files. */
const BRING_FILES: readonly number[] = [
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_SET_LOG_BASE,
  VHOST_USER_SET_INFLIGHT_FD,
];

/** Whether the file allows to be shrunk, and to forbid it. */
export function wantsSeal(fd: number): boolean {
  const seals = fdSeals(fd);
  return seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_SEAL)) === 0;
}

/** Whether to use the file may take as long as its owner likes. Asks no file system of a tenant. */
function mayBeBusy(fd: number): boolean {
  if (fdSeals(fd) < 0) return false;
  return wantsSeal(fd) || statFd(fd).blockBytes > PAGE_BYTES;
}

/** Seals the files of one port's front-ends. Control thread only. */
export class FileSeals {
  readonly #lane: TenantFds;
  readonly #closeFd: (fd: number) => void;
  readonly #seal: (fd: number) => Promise<void>;
  readonly #msMax: number;
  /** Grows with each front-end that goes. */
  #gone = 0;

  /** Nothing is under way. @param seal, msMax replaced in tests */
  constructor(
    pool: BlockingPool,
    closeFd: (fd: number) => void,
    seal: (fd: number) => Promise<void> = sealTenantFd,
    msMax: number = SEAL_MS_MAX,
  ) {
    this.#lane = new TenantFds(pool);
    this.#closeFd = closeFd;
    this.#seal = seal;
    this.#msMax = msMax;
  }

  /** Handles a message, as endOnFailure() does: at once, or when what it brought is sealed. */
  first({ request, fds }: Message, handle: () => Outcome): Outcome {
    const files = BRING_FILES.includes(request) ? fds.filter(mayBeBusy) : [];
    if (files.length === 0) return endOnFailure(handle);
    const gone = this.#gone;
    return {
      later: this.#sealAll(files).then((done) => {
        if (done && gone === this.#gone) return endOnFailure(handle);
        for (const fd of fds) this.#closeFd(fd);
        return done ? {} : { close: tooSlow(this.#msMax) };
      }),
    };
  }

  /** @returns whether that came to an end in time */
  #sealAll(files: readonly number[]): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let over = false;
    const end = (done: boolean): void => {
      over = true;
      clearTimeout(timer);
      resolve(done);
    };
    const timer = setTimeout(() => end(false), this.#msMax);
    this.#lane.run(async () => {
      // Given up, their numbers may be others' by now.
      for (const fd of files) if (!over) await this.#seal(fd);
      end(true);
    });
    return promise;
  }

  /** The front-end is gone: what it brought is not handled any more. */
  end(): void {
    this.#gone++;
  }
}

function tooSlow(ms: number): NonNullable<Outcome["close"]> {
  return { code: "slow-file", detail: `a file of its memory was not sealed within ${ms} ms` };
}

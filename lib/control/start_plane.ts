/**
 * Starts the data plane of a switch, and says what is not as it could be: the operator's view of it.
 *
 * @module
 */
import { Caller, type MemoryGuard, memoryGuard } from "../../ffi/mod.ts";
import { WINDOW_STRIDE } from "../virtio/memory/arena.ts";
import { ARENA_BYTES } from "../virtio/memory/window.ts";
import { DataPlaneError, type DataPlaneThread, startDataPlane } from "../worker/supervisor.ts";
import type { UnsealedMemory } from "./front_end/guest_memory.ts";
import type { Logger } from "./log.ts";
import { confineFiles } from "./sandbox/sandbox.ts";
import { ControlError, type SwitchConfig } from "./types.ts";

/** Processors that a process may run on, as the kernel lists them, or null. */
function allowedCpus(): string | null {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Why the data plane does not start, as an operator's line. */
function startError(error: unknown): ControlError {
  if (!(error instanceof DataPlaneError) || error.cpus.length === 0) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return new ControlError("failed", `Cannot start the data plane: ${why}`);
  }
  const allowed = allowedCpus();
  const many = error.cpus.length > 1;
  const named = error.cpus.slice(0, 8).join(",") + (error.cpus.length > 8 ? ",…" : "");
  return new ControlError(
    "invalid",
    `Processor${many ? "s" : ""} ${named} of cpus ${many ? "are" : "is"} not there or not allowed`,
    allowed === null ? "see: nproc" : `this process may use ${allowed}: --cpus ${allowed}`,
  );
}

/** The guard of guests' memory, if it is wanted and can be had; it says where it cannot. */
function findGuard(
  { unsealedMemory }: SwitchConfig,
  logger: Logger,
  install: () => MemoryGuard,
): MemoryGuard | null {
  if ((unsealedMemory ?? "guard") !== "guard") return null;
  try {
    return install();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const text = `unsealed-memory=refuse is in force, for missing pages cannot be survived: ${why}`;
    logger.warn("switch", "no-guard", text);
    return null;
  }
}

/** Says it where guests have less room than they have elsewhere. */
function tellRoom(sizeBytes: number, logger: Logger): void {
  if (sizeBytes >= ARENA_BYTES) return;
  const gib = sizeBytes / WINDOW_STRIDE;
  const text = `all guests together can have ${gib} GiB of memory, counted in whole GiB for each ` +
    "piece: ulimit -v or the processor leaves no more address space";
  logger.warn("switch", "little-room", text, { bytes: sizeBytes });
}

/** Says it where a call can hold the data plane up. */
function tellCalls(logger: Logger): void {
  const caller = Caller.open();
  caller?.close();
  if (caller !== null) return;
  const text =
    "a VMM that fills its call eventfd can hold all ports up for 0.2 s, once, for there " +
    "is no asynchronous I/O: allow io_setup and io_submit, or raise /proc/sys/fs/aio-max-nr";
  logger.warn("switch", "blocking-calls", text);
}

/** A data plane, and what it takes. */
export interface StartedPlane {
  /** Running; the caller ends it. */
  readonly thread: DataPlaneThread;
  /** What becomes of memory that can lose pages. */
  readonly unsealed: UnsealedMemory;
}

/**
 * Starts a data plane.
 * @param install replaced in tests @throws {ControlError} nothing is left behind then
 */
export async function startPlane(
  config: SwitchConfig,
  logger: Logger,
  install: () => MemoryGuard = memoryGuard,
): Promise<StartedPlane> {
  const guard = findGuard(config, logger, install);
  const mayLose = guard !== null || config.unsealedMemory === "allow";
  const confine = (): void => confineFiles(config, logger);
  const thread = await startDataPlane(config, guard, confine).catch((error) => {
    throw error instanceof ControlError ? error : startError(error);
  });
  if (thread.slow !== null) {
    logger.warn("switch", "slow-data-plane", `frames take 1.6 times as long: ${thread.slow}`);
  }
  tellRoom(thread.arena.sizeBytes, logger);
  tellCalls(logger);
  return { thread, unsealed: mayLose ? "take" : "refuse" };
}

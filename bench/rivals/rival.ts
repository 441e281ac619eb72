/**
 * What is compared: programs that move frames between the ports of one generator.
 *
 * @module
 */

import type { GuestOptions } from "../../lib/demo/qemu.ts";
import type { Work } from "../busy.ts";

/** How a switch is to be started. */
export interface RivalSettings {
  /** Everything it writes goes here. */
  readonly folder: string;
  /** Processor of its data plane. */
  readonly cpu: number;
  readonly hugepages: boolean;
  /** Ports, 2 or more. */
  readonly ports: number;
  /** Largest frame without FCS, bytes. */
  readonly frameBytes: number;
  /** Addresses it must be able to learn. */
  readonly addresses: number;
}

/** Ports of a generator that are not virtio-user's: for a switch that has no vhost-user sockets. */
export interface OwnPorts {
  /** `--vdev` words of the two ports. */
  readonly vdevs: readonly [string, string];
  /** Words before the generator's command. */
  readonly within: readonly string[];
  /** MAC addresses of the two ports. */
  readonly macs: readonly [string, string];
  /** Called when the generator has made its ports. */
  ready(): Promise<void>;
}

/** How QEMU's guest reaches a port. */
export type GuestNic = Pick<GuestOptions, "socket" | "chardev" | "backEnd" | "qemu">;

/** A switch that runs and waits for front-ends. */
export interface Rival extends AsyncDisposable {
  /** Sockets it listens on, one a port. */
  readonly sockets: readonly string[];
  readonly ownPorts?: OwnPorts;
  /** For Linux guests, one a port; where there are none, they connect to the sockets. */
  readonly nics?: readonly GuestNic[];
  /** For guests that open TAP devices themselves, one a port, and the words before their command. */
  readonly taps?: { readonly names: readonly string[]; readonly within: readonly string[] };
  /** Its processes; one of them has the data plane's thread. */
  readonly pids: readonly number[];
  /** Counts from now on in how much of its time it had frames. */
  clearWork(): Promise<void>;
  /** What it says of its work since {@linkcode clearWork}. */
  readWork(): Promise<Work>;
}

/** How to start a switch. */
export interface RivalKind {
  readonly name: string;
  /** Debian packages it lacks; empty when it can run. */
  readonly missing: readonly string[];
  /** Starts it. @throws with what it said if it does not come up */
  start(settings: RivalSettings): Promise<Rival>;
}

/** Whether a file is there. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The commands of the control thread, carried out by the data plane between two rounds. Nothing here
 * is hot.
 *
 * @module
 */
import type { Datapath } from "../../switch/datapath.ts";
import {
  type Command,
  commandOf,
  type Given,
  type Handlers,
  readGiven,
  type Result,
  writeResult,
} from "../wire.ts";
import { captureCommands } from "./captures.ts";
import { iotlbCommands } from "./iotlb.ts";
import { laneCommands } from "./lanes.ts";
import { memoryCommands } from "./memory.ts";
import { type CommandHost, Place } from "./place.ts";
import { policyCommands } from "./policy.ts";
import { portCommands } from "./ports.ts";
import { stateCommands } from "./state.ts";
import { vringCommands } from "./vrings.ts";

/** Carries out commands on one datapath. Data-plane thread only. */
export class Commands {
  readonly #path: Datapath;
  readonly #place: Place;
  readonly #handlers: Handlers;

  /** Commands for `path`; those that are about the thread itself go to `host`. */
  constructor(path: Datapath, host: CommandHost) {
    const place = new Place(path, host);
    this.#path = path;
    this.#place = place;
    this.#handlers = {
      ...policyCommands(place),
      ...portCommands(place),
      ...memoryCommands(place),
      ...vringCommands(place),
      ...iotlbCommands(place),
      ...laneCommands(place),
      ...stateCommands(place),
      ...captureCommands(place),
      shutdown: () => host.stop(),
    };
  }

  /**
   * Runs the command with a number of the mailbox.
   * @throws {AssertionError} on a bug of ours; anything else costs the port it was for
   */
  runNumbered(number: number, given: Float64Array, results: Float64Array): void {
    const name = commandOf(number);
    writeResult(name, this.run(name, readGiven(name, given)), results);
  }

  /**
   * Pages of the mappings that begin at these addresses could not be had: the ports that use them
   * serve no queue any more, once the datapath is refreshed.
   */
  losePages(addresses: ReadonlySet<number>): void {
    for (const windows of this.#place.mappings.values()) {
      if (addresses.has(windows.address)) windows.lose();
    }
  }

  /** Runs a command. @throws as {@linkcode runNumbered} */
  run<C extends Command>(name: C, given: Given<C>): Result<C> {
    try {
      return this.#handlers[name](given);
    } finally {
      this.#path.refresh();
    }
  }
}

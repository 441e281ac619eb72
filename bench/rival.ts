/**
 * What is compared: programs that take the two virtio-user ports of one generator.
 *
 * @module
 */

/** A switch that runs and waits for front-ends. */
export interface Rival extends AsyncDisposable {
  /** Sockets it listens on. */
  readonly sockets: readonly [string, string];
}

/** How to start a switch. */
export interface RivalKind {
  readonly name: string;
  /** Debian packages it lacks; empty when it can run. */
  readonly missing: readonly string[];
  /** Starts it with its data plane on processor `cpu`, everything it writes in `folder`. */
  start(folder: string, cpu: number, hugepages: boolean): Promise<Rival>;
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

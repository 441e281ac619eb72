/**
 * Two guests that keep exchanging numbered frames while something else happens to the switch, and
 * what the switch's process holds.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { introduce, isNumbered, macOf, numberedFrame } from "./traffic.ts";
import { until } from "./until.ts";

const FRAMES_PER_TICK = 8;
const UNDER_WAY_MAX = 64;
const BYTES = 300;
const RING_SIZE = 1024;

class Flow {
  readonly from: NetGuest;
  readonly to: NetGuest;
  sent = 0;
  arrived = 0;

  constructor(from: NetGuest, to: NetGuest) {
    this.from = from;
    this.to = to;
  }

  frame(number: number): Uint8Array {
    return numberedFrame(this.to.options.mac, this.from.options.mac, number, BYTES);
  }

  send(): void {
    for (let i = 0; i < FRAMES_PER_TICK && this.sent - this.arrived < UNDER_WAY_MAX; i++) {
      if (this.from.send(this.frame(this.sent))) this.sent++;
    }
  }

  /** Every frame that arrives from the other one must be the next. */
  receive(): void {
    const expected = this.frame(0).subarray(0, 14);
    for (const frame of this.to.receive()) {
      // What others flood is not theirs.
      if (!isNumbered(frame) || expected.some((byte, i) => byte !== frame[i])) continue;
      assert.deepEqual(frame, this.frame(this.arrived), `bystanders' frame ${this.arrived}`);
      this.arrived++;
    }
  }
}

/** How long nothing was heard, ms. */
export interface Gap {
  readonly gapMs: number;
  /** By the pair's clock. */
  readonly ownMs: number;
}

/** The pair. Frames flow all the time until {@linkcode check} or disposal. */
export class Bystanders implements Disposable {
  readonly #flows: readonly [Flow, Flow];
  readonly #timer: ReturnType<typeof setInterval>;
  #error: unknown = null;
  #heard = 0;
  readonly #clock: () => number;
  #heardAt = performance.now();
  #ownAt: number;
  #gap: Gap = { gapMs: 0, ownMs: 0 };

  private constructor(one: NetGuest, two: NetGuest, clock: () => number) {
    this.#clock = clock;
    this.#ownAt = clock();
    this.#flows = [new Flow(one, two), new Flow(two, one)];
    this.#timer = setInterval(() => this.#tick(true), 2);
  }

  /**
   * Attaches a guest with split rings and one with packed rings.
   * @param clock what gaps are told by as well, ms
   */
  static async attach(
    socketA: string,
    socketB: string,
    macs: readonly [number, number] = [0xb1, 0xb2],
    clock: () => number = () => performance.now(),
  ): Promise<Bystanders> {
    // A thread that has no processor for a while takes no frames: floods of others fill its ring.
    const [one, two] = [
      await NetGuest.start({ socket: socketA, mac: macOf(macs[0]), ringSize: RING_SIZE }),
      await NetGuest.start({
        ...{ socket: socketB, mac: macOf(macs[1]), ringSize: RING_SIZE, packed: true },
      }),
    ];
    await introduce(one, two);
    return new Bystanders(one, two, clock);
  }

  /** Frames that arrived so far, both ways. @throws if one was lost, changed or reordered */
  get arrived(): number {
    if (this.#error !== null) throw this.#error;
    return this.#flows[0].arrived + this.#flows[1].arrived;
  }

  /** Longest times in which no frame came, since this was asked last. */
  takeGap(): Gap {
    const gap = this.#longer();
    this.#gap = { gapMs: 0, ownMs: 0 };
    return gap;
  }

  #longer(): Gap {
    return {
      gapMs: Math.max(this.#gap.gapMs, performance.now() - this.#heardAt),
      ownMs: Math.max(this.#gap.ownMs, this.#clock() - this.#ownAt),
    };
  }

  #hear(): void {
    const arrived = this.#flows[0].arrived + this.#flows[1].arrived;
    if (arrived === this.#heard) return;
    this.#gap = this.#longer();
    this.#heardAt = performance.now();
    this.#ownAt = this.#clock();
    this.#heard = arrived;
  }

  #tick(sending: boolean): void {
    try {
      for (const flow of this.#flows) {
        flow.receive();
        if (sending) flow.send();
      }
      this.#hear();
    } catch (error) {
      this.#error ??= error;
    }
  }

  /** Waits until some more frames went both ways. @throws if one was lost, changed or reordered */
  async check(): Promise<void> {
    const goals = this.#flows.map((flow) => flow.arrived + 2 * UNDER_WAY_MAX);
    await until("the bystanders' frames", () => {
      if (this.#error !== null) throw this.#error;
      return this.#flows.every((flow, i) => flow.arrived >= (goals[i] as number));
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const flow of this.#flows) flow.from.close();
  }
}

/** What a process holds. */
export interface Held {
  readonly fds: number;
  /** Of these, sockets of the control API: they come and go with whoever asks something. */
  readonly apiFds: number;
  /** Mappings of memory files. */
  readonly memoryMaps: number;
  readonly threads: number;
  /** Resident: heaps and stacks, and shared memory that was touched. */
  readonly privateKb: number;
  readonly sharedKb: number;
}

/** Counts what process `pid` holds now. */
export function held(pid: number): Held {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n");
  const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => linkOf(pid, name));
  const api = apiSockets();
  return {
    fds: links.length,
    apiFds: links.filter((link) => api.has(link)).length,
    memoryMaps: maps.filter((line) => line.includes("/memfd:guest")).length,
    threads: field("Threads"),
    privateKb: field("RssAnon"),
    sharedKb: field("RssShmem"),
  };
}

function linkOf(pid: number, fd: string): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    // Closed meanwhile.
    return "";
  }
}

/** Sockets bound to a control path, and those accepted there, as links of descriptors show them. */
function apiSockets(): Set<string> {
  const lines = Deno.readTextFileSync("/proc/net/unix").split("\n");
  const inodes = lines.filter((line) => line.endsWith("/ctl.sock")).map((line) =>
    line.trim().split(/\s+/).at(-2)
  );
  return new Set(inodes.map((inode) => `socket:[${inode}]`));
}

/** Waits until the process holds as many descriptors and mappings as at the start. */
export async function heldAsBefore(pid: number, before: Held): Promise<void> {
  let now = held(pid);
  try {
    await until("descriptors and mappings to come back", () => {
      now = held(pid);
      return ownFds(now) === ownFds(before) && now.memoryMaps === before.memoryMaps;
    });
  } catch {
    assert.deepEqual(
      { fds: ownFds(now), memoryMaps: now.memoryMaps },
      { fds: ownFds(before), memoryMaps: before.memoryMaps },
    );
  }
}

function ownFds({ fds, apiFds }: Held): number {
  return fds - apiFds;
}

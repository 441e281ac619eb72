/**
 * What the log says of front-ends that knock at a port which takes nobody. A VMM that is told to
 * reconnect goes on for ever: each process gets a line when it begins, one a minute while it goes
 * on, and one when it stops, however often it tries.
 *
 * @module
 */
import { describePeer, peerName } from "./peer.ts";
import type { SocketHost, TurnedAway } from "./port_socket.ts";

/** Time between two looks at who goes on, ms. */
const LOOK_MS = 5000;
/** Time between two lines about one process, ms. */
const LINE_MS = 60_000;
/** Processes that have lines of their own; the others are counted. */
const PEERS_MAX = 16;

interface Knocker {
  readonly who: string;
  readonly sinceMs: number;
  why: string;
  tries: number;
  lastMs: number;
  saidMs: number;
  /** Tries that the last line has told. */
  told: number;
}

/** Who knocks at one socket. Control thread only; close it. */
export class Knocks {
  readonly #log: SocketHost["log"];
  readonly #now: () => number;
  readonly #peers = new Map<number, Knocker>();
  #others = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param now ms, from any moment on */
  constructor(log: SocketHost["log"], now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** One more try. @param fd its connection, which stays the caller's */
  note(fd: number, { code, why }: TurnedAway): void {
    const peer = describePeer(fd);
    const pid = peer?.pid ?? 0;
    const now = this.#now();
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
    const known = this.#peers.get(pid);
    if (known) {
      known.tries++;
      known.lastMs = now;
      known.why = why;
      return;
    }
    if (this.#peers.size >= PEERS_MAX) {
      this.#others++;
      return;
    }
    const who = peerName(peer);
    const times = { tries: 1, told: 1, sinceMs: now, lastMs: now, saidMs: now };
    this.#peers.set(pid, { who, why, ...times });
    this.#log("warn", code, `a front-end was refused: ${who} knocks, ${why}`);
  }

  /** Says what is due. */
  look(): void {
    const now = this.#now();
    for (const [pid, knocker] of this.#peers) {
      const { who, why, tries, lastMs, saidMs } = knocker;
      const ended = now - lastMs >= LOOK_MS;
      const due = now - saidMs >= LINE_MS;
      // Its place is kept for as long as a line counts: one that comes and goes gets no more.
      if (ended && due) this.#peers.delete(pid);
      if (tries === knocker.told || !(ended || due)) continue;
      knocker.told = tries;
      knocker.saidMs = now;
      const verb = ended ? "stopped knocking" : `still knocks, ${why}`;
      const seconds = Math.round((lastMs - knocker.sinceMs) / 1000);
      this.#log("info", "knocks", `${who} ${verb}: ${tries} tries in ${seconds} s`);
    }
    if (this.#peers.size > 0) return;
    if (this.#others > 0) this.#log("info", "knocks", `${this.#others} tries of other processes`);
    this.#others = 0;
    this.close();
  }

  /** Says no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

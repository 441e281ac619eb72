/**
 * What the log says of front-ends that knock at a port and are not taken. A VMM that is told to
 * reconnect goes on for ever: each process gets a line when it begins, one a minute while it goes
 * on, and one when it stops, however often it tries.
 *
 * @module
 */
import { describePeer, peerName, peerPid } from "./peer.ts";
import type { SocketHost, TurnedAway } from "./port_socket.ts";

/** Time between two looks at who goes on, ms. */
const LOOK_MS = 5000;
/** Time between two lines about one process, ms. */
const LINE_MS = 60_000;
/** Processes that have lines of their own; the others are counted, and share a line a minute. */
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

/** Who is at the other end: its number costs a system call, its name a read of /proc. */
interface PeerLooks {
  readonly pid: typeof peerPid;
  readonly describe: typeof describePeer;
}

/** Who knocks at one socket. Control thread only; close it. */
export class Knocks {
  readonly #log: SocketHost["log"];
  readonly #now: () => number;
  readonly #looks: PeerLooks;
  /** By process and reason: one process can be refused and slowed down. */
  readonly #peers = new Map<string, Knocker>();
  #others = 0;
  /** Since when `#others` are counted, ms. */
  #othersMs = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Nobody knocks. @param now ms, from any moment on @param looks replaced in tests */
  constructor(
    log: SocketHost["log"],
    now: () => number = () => performance.now(),
    looks: PeerLooks = { pid: peerPid, describe: describePeer },
  ) {
    this.#log = log;
    this.#now = now;
    this.#looks = looks;
  }

  /** One more try. @param fd its connection, which stays the caller's */
  note(fd: number, { code, why }: TurnedAway): void {
    const key = `${this.#looks.pid(fd)} ${code}`;
    const now = this.#now();
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
    const known = this.#peers.get(key);
    if (known) {
      known.tries++;
      known.lastMs = now;
      known.why = why;
      return;
    }
    if (this.#peers.size >= PEERS_MAX) {
      if (this.#others++ === 0) this.#othersMs = now;
      return;
    }
    const who = peerName(this.#looks.describe(fd));
    const times = { tries: 1, told: 1, sinceMs: now, lastMs: now, saidMs: now };
    this.#peers.set(key, { who, why, ...times });
    this.#log("warn", code, `a front-end was refused: ${who} knocks, ${why}`);
  }

  /** Logs what is due, every LOOK_MS. */
  look(): void {
    const now = this.#now();
    for (const [key, knocker] of this.#peers) {
      const { who, why, tries, lastMs, saidMs } = knocker;
      const ended = now - lastMs >= LOOK_MS;
      const due = now - saidMs >= LINE_MS;
      // Its place is kept for as long as a line counts: one that comes and goes gets no more.
      if (ended && due) this.#peers.delete(key);
      if (tries === knocker.told || !(ended || due)) continue;
      knocker.told = tries;
      knocker.saidMs = now;
      const verb = ended ? "stopped knocking" : `still knocks, ${why}`;
      const seconds = Math.round((lastMs - knocker.sinceMs) / 1000);
      this.#log("info", "knocks", `${who} ${verb}: ${tries} tries in ${seconds} s`);
    }
    const none = this.#peers.size === 0;
    if (this.#others > 0 && (none || now - this.#othersMs >= LINE_MS)) {
      const seconds = Math.round((now - this.#othersMs) / 1000);
      this.#log("info", "knocks", `${this.#others} tries of other processes in ${seconds} s`);
      this.#others = 0;
    }
    if (none) this.close();
  }

  /** Says no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

// deno-lint-ignore-file no-non-null-assertion
/**
 * The data-plane thread: polls every port's transmit queues, burst by burst, for ever. It touches
 * mapped guest memory and checked eventfds, nothing that can block; sockets and received
 * descriptors belong to the control thread, which steers this one through the mailbox.
 *
 * Entry module of a Worker; the only message it receives is the first, a DataPlaneStart.
 *
 * @module
 */
import * as v8 from "node:v8";
import {
  addressOf,
  copyMemory,
  Epoll,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  GuardTable,
  processorsOnline,
  readThreadUse,
  ReadyTime,
  rest,
  RunningThreads,
  setThreadCpus,
  setThreadName,
  signalEventFd,
  threadRanMs,
  viewMemory,
} from "../../ffi/mod.ts";
import { AssertionError } from "../base/assert.ts";
import { PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";
import { VRING, WORKER, WORKER_BASE } from "../switch/counters.ts";
import { Datapath, pollSource, setKicks } from "../switch/datapath.ts";
import { Fdb } from "../switch/fdb.ts";
import { clock } from "../switch/policy/clock.ts";
import { LanePort } from "../switch/ports/lane_port.ts";
import { VhostPort } from "../switch/ports/vhost_port.ts";
import type { Vring } from "../switch/ports/vring.ts";
import { Arena } from "../virtio/memory/arena.ts";
import { stray } from "../virtio/memory/guest_memory.ts";
import { RING_BAD_ADDRESS, trustLoadOrder } from "../virtio/ring.ts";
import { useArena, useHostAddress, useHostCopy } from "../virtio/memory/window.ts";
import { CollectionCounter } from "./collections.ts";
import { Commands } from "./commands/mod.ts";
import { DriverCalls } from "./driver_calls.ts";
import { EVENT, EventWriter } from "./events.ts";
import { Crowding } from "./crowding.ts";
import { newsOfPorts } from "./flap_news.ts";
import { InBandCalls } from "./in_band_calls.ts";
import { LostPages } from "./lost_pages.ts";
import { type DataPlaneStart, Mailbox, type StartFailure } from "./mailbox.ts";
import { Rota, SOURCES_FEW } from "./rota.ts";
import { EMPTY_ROUNDS_MIN, IdlePolicy, NAP, NAP_US, SLEEP } from "./idle_policy.ts";
import { TimeWatch } from "./time_watch.ts";
import { WorkMeter } from "./work_meter.ts";

/**
 * Between two looks at a source that is dear to look at and was empty, ms: 1 % of a busy thread's time;
 * and rounds at most.
 */
const LOOK_MS = 0.03;
const LOOK_ROUNDS_MAX = 64;
/** The same in rounds without frames, where nobody waits but who may come. */
const LOOK_ROUNDS_IDLE = 4;
/** Longest sleep, ms: the FDB ages meanwhile. */
const SLEEP_MS_MAX = 1000;
/** Longest sleep while something must be looked at without a wake-up, ms. */
const SLEEP_MS_POLLING = 1;
/** FDB slots looked at for age per tick of the clock. */
const SWEEP_SLOTS = 512;
/** Tag of the wake-up descriptor; kicks are tagged port * VRINGS_PER_PORT + vring (or lane). */
const WAKE_TAG = 0xffff_ffff;

class DataPlaneLoop {
  readonly #mailbox: Mailbox;
  readonly #path: Datapath;
  readonly #commands: Commands;
  readonly #epoll = new Epoll(256);
  readonly #idle: IdlePolicy;
  readonly #broken: Int32Array;
  readonly #events: EventWriter;
  readonly #eventFd: number;
  #running = true;
  /** A front-end gave no kick descriptor and wants to be polled. */
  #withoutKick = false;
  readonly #inBandCalls: InBandCalls;
  readonly #calls: DriverCalls;
  readonly #meter: WorkMeter;
  readonly #watch: TimeWatch;
  readonly #collections: CollectionCounter;
  readonly #rota = new Rota();
  readonly #lostPages: LostPages;
  /** A ring broke in this round: the lists of queues are made anew after it. */
  #stale = false;
  /** When the clock was last looked at, ms. */
  #pacedAt = 0;

  constructor(start: DataPlaneStart) {
    this.#mailbox = new Mailbox(start.mailbox);
    this.#broken = new Int32Array(start.broken);
    this.#eventFd = start.eventFd;
    this.#events = new EventWriter(start.events, () => signalEventFd(start.eventFd));
    this.#inBandCalls = new InBandCalls(this.#events);
    this.#calls = new DriverCalls(this.#mailbox, start.eventFd, this.#inBandCalls);
    // Ages and sleep are told by one clock, the control thread's.
    const offsetMs = performance.timeOrigin - start.timeOrigin;
    const fdb = new Fdb(start.fdb, start.fdbOptions);
    const counters = new Float64Array(start.counters);
    this.#meter = new WorkMeter(counters, () => performance.now() + offsetMs, threadRanMs);
    this.#lostPages = new LostPages(start.guard === 0 ? null : new GuardTable(start.guard));
    this.#collections = new CollectionCounter(counters, v8);
    this.#path = new Datapath(PORTS_MAX, fdb, counters, {
      call: (vring) => this.#call(vring),
      ringBroken: (vring) => this.#ringBroken(vring),
      badChain: (vring, reason) => this.#tell(EVENT.badChain, vring, reason),
      untranslated: (vring, page, permission, again) =>
        this.#tell(again ? EVENT.missAgain : EVENT.miss, vring, page + permission),
      accessFailed: (vring, page, permission) =>
        void this.#tell(EVENT.accessFail, vring, page + permission),
      laneFailed: ({ port, number }, code) =>
        this.#events.write(EVENT.laneFailed, port.index, number, code),
      ...newsOfPorts(this.#events, () => this.#path.now),
    });
    // Where others had the processor in between, no time went by.
    const ready = new ReadyTime();
    const now = (): number => performance.now() - ready.readMs();
    const clocks = { now, ranMs: threadRanMs, readUse: readThreadUse };
    this.#watch = new TimeWatch(clocks, this.#events);
    this.#path.watch = this.#watch;
    const threads = new RunningThreads();
    const crowding = new Crowding(processorsOnline(), {
      readyMs: () => ready.readMs(),
      running: () => threads.read(),
    });
    this.#idle = new IdlePolicy(start.idle, crowding);
    this.#commands = new Commands(this.#path, {
      watchKick: (port, vring, fd) =>
        // Edge-triggered: the counter is never read, and every kick still wakes.
        this.#epoll.add(fd, EPOLLIN | EPOLLET, port * VRINGS_PER_PORT + vring),
      watchRoom: (port, lane, fd, on) => {
        const events = EPOLLIN | EPOLLET | (on ? EPOLLOUT : 0);
        this.#epoll.modify(fd, events, port * VRINGS_PER_PORT + lane);
      },
      forgetKick: (fd) => this.#epoll.remove(fd),
      portAdded: (port) => this.#watch.forget(port),
      // The caller may close what it gave, and reuse the numbers, as soon as this is answered.
      stop: () => {
        this.#running = false;
        for (const each of [this.#epoll, ready, threads, this.#calls]) each.close();
      },
    });
    this.#epoll.add(start.wakeFd, EPOLLIN | EPOLLET, WAKE_TAG);
  }

  /** The loop. Returns when told to shut down. */
  run(): void {
    let emptyRounds = 0;
    let rounds = 0;
    let turn = 0;
    const [meter, idle] = [this.#meter, this.#idle];
    while (this.#running) {
      if (this.#mailbox.waiting) {
        this.#obey();
        if (!this.#running) return;
      }
      turn = (turn + 1) | 0;
      const frames = this.#visit(turn);
      if (this.#lostPages.isNews) this.#losePages();
      if (this.#stale) this.#refresh();
      if (this.#inBandCalls.waiting) this.#inBandCalls.retry();
      if (this.#path.announcer.waiting) this.#path.announcer.run();
      this.#events.flush();
      rounds++;
      if (frames > 0 || this.#path.announcer.waiting) emptyRounds = 0;
      else emptyRounds++;
      if (!meter.round(frames) && !idle.isHasty) continue;
      const now = meter.look();
      this.#watchClosely(now);
      this.#tick(now);
      this.#path.survey.isUnhurried = meter.wasIdle;
      this.#pace(now, rounds, emptyRounds >= EMPTY_ROUNDS_MIN);
      const next = idle.decide(now, emptyRounds < rounds, emptyRounds);
      if (next === SLEEP) this.#sleep();
      else if (next === NAP) this.#nap();
      rounds = 0;
    }
  }

  /** One round: looks at each source, or where there are many at those whose turn it is. */
  #visit(round: number): number {
    const { sources } = this.#path;
    let frames = 0;
    if (sources.length <= SOURCES_FEW) {
      for (let i = 0; i < sources.length; i++) frames += pollSource(this.#path, sources[i]!);
      return frames;
    }
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (this.#rota.leavesOut(i, round, source.port.debt)) continue;
      const taken = pollSource(this.#path, source);
      this.#rota.note(i, taken);
      frames += taken;
    }
    return frames;
  }

  /** Whether the rounds that come are watched part by part, because one took long. */
  #watchClosely(now: number): void {
    const { longRanMs, wasLong } = this.#meter;
    const sleeps = this.#path.counters[WORKER_BASE + WORKER.sleeps]!;
    if (wasLong) this.#watch.longStretch(now, longRanMs, sleeps);
    this.#path.isWatched = this.#watch.isOn(now);
  }

  /** Finds out for how many rounds {@linkcode LOOK_MS} lasts. @param rounds since it did last */
  #pace(now: number, rounds: number, isIdle: boolean): void {
    const many = Math.floor(LOOK_MS * rounds / (now - this.#pacedAt));
    this.#pacedAt = now;
    this.#path.idleRounds = isIdle ? LOOK_ROUNDS_IDLE : Math.min(LOOK_ROUNDS_MAX, many);
  }

  #tick(now: number): void {
    const seconds = Math.floor(now / 1000);
    clock.ms = now;
    this.#path.survey.lookAtRings(now);
    this.#path.fdb.settleClaims(seconds);
    if (seconds === this.#path.now) return;
    this.#path.now = seconds;
    this.#path.fdb.sweep(seconds, SWEEP_SLOTS);
    for (const port of this.#path.ports) port?.tick(this.#path);
    this.#collections.tick(seconds);
  }

  /** Stands still for a moment, without asking for kicks. */
  #nap(): void {
    this.#meter.fallAsleep();
    this.#path.counters[WORKER_BASE + WORKER.sleeps]!++;
    rest(NAP_US);
    this.#meter.wakeUp();
  }

  /** Sleeps until a driver kicks or the control thread wakes us. No wake-up is lost: kicks are
   * asked for first, then the queues are looked at once more. */
  #sleep(): void {
    const counters = this.#path.counters;
    this.#meter.fallAsleep();
    if (!setKicks(this.#path, true)) {
      this.#mailbox.setSleeping(true);
      if (!this.#mailbox.waiting) {
        counters[WORKER_BASE + WORKER.sleeps]!++;
        const polling = this.#withoutKick || this.#inBandCalls.waiting;
        const events = this.#epoll.wait(polling ? SLEEP_MS_POLLING : SLEEP_MS_MAX);
        for (let i = 0; i < events; i++) this.#woken(this.#epoll.tag(i));
        if (events > 0) counters[WORKER_BASE + WORKER.wakeups]!++;
      }
      this.#mailbox.setSleeping(false);
    }
    setKicks(this.#path, false);
    this.#meter.wakeUp();
  }

  #woken(tag: number): void {
    if (tag === WAKE_TAG) return;
    const port = this.#path.ports[Math.floor(tag / VRINGS_PER_PORT)];
    if (port instanceof LanePort) port.lanes[tag % VRINGS_PER_PORT]?.wake();
    if (!(port instanceof VhostPort)) return;
    const vring = port.vrings[tag % VRINGS_PER_PORT];
    if (vring) this.#path.counters[vring.counterBase + VRING.kicks]!++;
  }

  #obey(): void {
    const { command, given, results } = this.#mailbox;
    const began = this.#meter.beginCommand();
    let failed: unknown = null;
    try {
      this.#commands.runNumbered(command, given, results);
    } catch (error) {
      failed = error;
    }
    this.#path.counters[WORKER_BASE + WORKER.commands]!++;
    this.#withoutKick = this.#path.sources.some((source) => source.polled);
    this.#meter.endCommand(began);
    if (failed === null) this.#mailbox.answerDone();
    else this.#answerFailed(failed);
  }

  /** A broken invariant is a bug, and ends the process; anything else costs the port it was for. */
  #answerFailed(error: unknown): void {
    const fault = error instanceof AssertionError;
    if (fault) console.error(error);
    this.#mailbox.answerFailed(error instanceof Error ? error.message : String(error), fault);
  }

  #call(vring: Vring): void {
    const { isWatched, watch } = this.#path;
    const { index } = vring.port;
    if (isWatched) watch.endPart(index);
    this.#calls.call(vring);
    if (isWatched) watch.endCall(index);
  }

  #tell(kind: number, vring: Vring, value: number): boolean {
    if (this.#isLost(vring)) return true;
    return this.#events.write(kind, vring.port.index, vring.number, value);
  }

  #ringBroken(vring: Vring): void {
    const word = vring.port.index * VRINGS_PER_PORT + vring.number;
    if (this.#isLost(vring)) return;
    if (Atomics.load(this.#broken, word) !== 0) return;
    // If a length is what is bad, `stray` may still hold an address of another port.
    if (vring.queue.broken === RING_BAD_ADDRESS && stray.memory === vring.port.memory) {
      this.#tell(EVENT.stray, vring, stray.address);
    }
    stray.memory = null;
    Atomics.store(this.#broken, word, vring.queue.broken);
    this.#stale = true;
    signalEventFd(this.#eventFd);
  }

  #refresh(): void {
    this.#stale = false;
    this.#path.refresh();
    this.#lostPages.seenTo();
  }

  /**
   * Pages could not be had. Whoever brought them is not served from this round on; the control thread
   * ends its connection.
   */
  #losePages(): void {
    this.#commands.losePages(this.#lostPages.take());
    this.#path.counters[WORKER_BASE + WORKER.badPages] = this.#lostPages.count;
    this.#stale = true;
    signalEventFd(this.#eventFd);
  }

  /** What a virtqueue is made of is gone: what was found there is nothing to tell. */
  #isLost({ port }: Vring): boolean {
    if (this.#lostPages.isNews) this.#losePages();
    if (this.#lostPages.count === 0 || !port.isLost) return false;
    this.#stale = true;
    return true;
  }
}

/** Of these processors those this thread may not run on: they do not exist, or are not allowed. */
function refusedCpus(cpus: readonly number[]): number[] {
  return cpus.filter((cpu) => {
    try {
      setThreadCpus([cpu]);
      return false;
    } catch {
      return true;
    }
  });
}

function prepare(options: DataPlaneStart): DataPlaneLoop | StartFailure {
  try {
    setThreadName("vuswitch-data");
    const cpus = refusedCpus(options.cpus);
    if (cpus.length > 0) return { message: "", cpus };
    if (options.cpus.length > 0) setThreadCpus(options.cpus);
    useHostCopy(copyMemory);
    useHostAddress(addressOf);
    useArena(new Arena(options.arena, viewMemory));
    trustLoadOrder(Deno.build.arch === "x86_64");
    return new DataPlaneLoop(options);
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error), cpus: [] };
  }
}

function start(options: DataPlaneStart): void {
  const thread = prepare(options);
  if (!(thread instanceof DataPlaneLoop)) {
    self.postMessage(thread);
    self.close();
    return;
  }
  self.postMessage("ready");
  thread.run();
  self.close();
}

declare const self: {
  onmessage: ((event: MessageEvent<DataPlaneStart>) => void) | null;
  postMessage(message: "ready" | StartFailure): void;
  close(): void;
};

self.onmessage = (event) => start(event.data);

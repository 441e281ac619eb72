/** Where the data plane's time goes, on a clock that stands still unless the test lets time pass. */
import { strict as assert } from "node:assert";
import { asleepUs, counterBytes, WORKER, WORKER_BASE } from "../../../lib/switch/counters.ts";
import { WorkMeter } from "../../../lib/worker/work_meter.ts";

const NS = 1e-6;
/** A look at the clock takes as much as an empty round, as it does. */
const CLOCK_NS = 100;

/** A plane that knows what the meter should say. */
class Plane {
  readonly counters = new Float64Array(counterBytes(1, 2) / 8);
  #nowMs = 1000;
  readonly #startMs = this.#nowMs;
  #ranMs = 5;
  /** How often it was asked how long it ran. */
  asked = 0;
  readonly meter = new WorkMeter(
    this.counters,
    () => {
      this.pass(CLOCK_NS);
      return this.#nowMs;
    },
    () => {
      this.asked++;
      return this.#ranMs;
    },
  );
  looks = 0;
  /** What rounds with frames took, ns. */
  busyNs = 0;

  /** It runs. */
  pass(ns: number): void {
    this.#nowMs += ns * NS;
    this.#ranMs += ns * NS;
  }

  /** Time goes by without it. */
  stand(ms: number): void {
    this.#nowMs += ms;
  }

  round(frames: number, ns: number): void {
    this.pass(ns);
    if (frames > 0) this.busyNs += ns;
    if (!this.meter.round(frames)) return;
    this.meter.look();
    this.looks++;
  }

  /** Rounds until this much time has passed. */
  run(ms: number, round: (number: number) => readonly [frames: number, ns: number]): this {
    const end = this.#nowMs + ms;
    for (let number = 0; this.#nowMs < end; number++) this.round(...round(number));
    this.meter.look();
    return this;
  }

  get(name: keyof typeof WORKER): number {
    return this.counters[WORKER_BASE + WORKER[name]] ?? NaN;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get elapsedUs(): number {
    return 1000 * (this.#nowMs - this.#startMs);
  }

  /** Shares of the time: as the meter says, and as it is. */
  get busy(): { said: number; real: number } {
    const names = ["busyUs", "pollingUs", "asleepUs", "commandUs", "waitedUs"] as const;
    const parts = names.map((name) => this.get(name));
    const all = parts.reduce((sum, us) => sum + us, 0);
    assert(Math.abs(all - this.elapsedUs) <= 2 + CLOCK_NS / 1000, "all of the time has a name");
    return { said: this.get("busyUs") / all, real: this.busyNs / 1000 / all };
  }
}

/** 0 to 1, the same in each run. */
function noise(number: number): number {
  const x = Math.sin(number * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}

Deno.test("a plane that is full is busy, one without frames is idle, to the last stretch", () => {
  const full = new Plane().run(50, () => [32, 2000]);
  assert(full.busy.said === 1, String(full.busy.said));
  const idle = new Plane().run(50, () => [0, 90]);
  assert(idle.busy.said === 0, String(idle.busy.said));
  assert.equal(idle.get("busyRounds"), 0);
  assert(idle.get("rounds") > 400_000);
});

Deno.test("a plane that is full now and then found nothing says more than 95 %, an idle one less than 5 %", () => {
  // Behind each burst of 32 one visit in vain.
  const full = new Plane().run(50, (i) => i % 2 === 0 ? [32, 2200] : [0, 90]);
  assert(full.busy.real > 0.9 && Math.abs(full.busy.said - full.busy.real) < 0.02);
  assert(full.busy.said > 0.95 - 0.02, String(full.busy.said));
  // A frame in every 300 rounds.
  const idle = new Plane().run(50, (i) => i % 300 === 0 ? [1, 180] : [0, 90]);
  assert(idle.busy.said < 0.05, String(idle.busy.said));
});

Deno.test("the busy share is right in between, whatever the pattern of the traffic", () => {
  const patterns: Record<string, (i: number) => readonly [number, number]> = {
    "every other round": (i) => i % 2 === 0 ? [1, 140] : [0, 90],
    "one in ten, short": (i) => i % 10 === 0 ? [4, 300] : [0, 90],
    "one in ten, long": (i) => i % 10 === 0 ? [128, 6000] : [0, 90],
    "one in 64, as long as a stretch": (i) => i % 64 === 0 ? [16, 900] : [0, 90],
    "a second each": (i) => i % 20_000 < 2000 ? [32, 2000] : [0, 90],
    "at random": (i) => noise(i) < 0.3 ? [1 + Math.floor(9 * noise(-i)), 500] : [0, 90],
    "rounds of uneven cost": (i) =>
      noise(i) < 0.2 ? [8, 300 + 400 * noise(-i)] : [0, 60 + 60 * noise(i + 0.5)],
    "many ports": (i) => noise(i) < 0.5 ? [20, 6000] : [0, 4000],
  };
  for (const [name, pattern] of Object.entries(patterns)) {
    const { said, real } = new Plane().run(60, pattern).busy;
    const what = `${name}: ${said.toFixed(3)} instead of ${real.toFixed(3)}`;
    assert(real > 0.05 && real < 0.95 && Math.abs(said - real) < 0.05, what);
  }
});

Deno.test("the meter follows when an empty round costs something else: ports came", () => {
  const plane = new Plane().run(20, () => [0, 90]);
  const [busyUs, busyNs] = [plane.get("busyUs"), plane.busyNs];
  plane.run(60, (i) => i % 3 === 0 ? [20, 4000] : [0, 1500]);
  const said = 1000 * (plane.get("busyUs") - busyUs);
  const real = plane.busyNs - busyNs;
  assert(Math.abs(said / real - 1) < 0.05, `${said} instead of ${real}`);
});

Deno.test("looks at the clock are few: tenths of a ns a frame, but for the smallest bursts", () => {
  for (const frames of [1, 4, 32, 128]) {
    const plane = new Plane().run(20, (i) => i % 2 === 0 ? [frames, 50 + 40 * frames] : [0, 90]);
    // Behind a mixed stretch are two looks at once.
    const ns = 2 * CLOCK_NS * plane.looks / (plane.get("busyRounds") * frames);
    // Half of the rounds are empty here: that much is spare time, and a plane that is full has none.
    assert(ns < (frames === 1 ? 14 : 6), `${ns} ns a frame`);
    const full = new Plane().run(20, () => [frames, 50 + 40 * frames]);
    const fullNs = CLOCK_NS * full.looks / (full.get("busyRounds") * frames);
    assert(fullNs < (frames === 1 ? 1.8 : 0.6), `${fullNs} ns a frame`);
  }
});

Deno.test("sleep and commands are neither busy nor polling", () => {
  const plane = new Plane();
  for (let i = 0; i < 10; i++) {
    plane.run(0.1, () => [0, 90]);
    plane.meter.fallAsleep();
    const before = asleepUs(plane.counters, plane.nowMs, 0);
    plane.stand(20);
    const during = asleepUs(plane.counters, plane.nowMs, 0);
    assert(Math.abs(during - before - 20_000) < 1, "who looks meanwhile sees it");
    plane.meter.wakeUp();
    const after = asleepUs(plane.counters, plane.nowMs, 0);
    assert(after >= during && after <= during + 1, `${after} after ${during}`);
    const began = plane.meter.beginCommand();
    plane.pass(300_000);
    plane.meter.endCommand(began);
  }
  plane.run(0.1, () => [0, 90]);
  const near = (name: keyof typeof WORKER, us: number): void =>
    assert(Math.abs(plane.get(name) - us) < 5, `${name} ${plane.get(name)}`);
  near("asleepUs", 200_000);
  near("commandUs", 3000);
  near("pollingUs", 1100);
  assert.equal(plane.busy.said, 0);
  assert.equal(plane.get("stalls"), 0, "sleep is no stall");
});

Deno.test("stalls are counted, and the longest is kept", () => {
  const plane = new Plane().run(1, () => [32, 2000]);
  assert.equal(plane.get("stalls"), 0);
  for (const ms of [0.5, 3, 40, 2]) {
    plane.pass(ms * 1e6);
    plane.run(0.2, () => [32, 2000]);
  }
  // A command keeps all ports waiting, too.
  const began = plane.meter.beginCommand();
  plane.pass(12e6);
  plane.meter.endCommand(began);
  plane.run(0.2, () => [0, 90]);
  assert.deepEqual([plane.get("stalls"), plane.get("longStalls")], [4, 2]);
  assert(Math.abs(plane.get("longestStallUs") - 40_000) < 100);
});

Deno.test("time in which the thread did not run is neither busy nor polling, whatever it found then", () => {
  const plane = new Plane();
  let stood = 0;
  for (let i = 0; i < 200; i++) {
    plane.run(0.2, (n) => n % 20 === 0 ? [2, 200] : [0, 90]);
    if (i % 4 === 0) {
      // While it stood frames came, and are taken at once.
      plane.stand(1 + i % 7);
      stood += 1 + i % 7;
      plane.round(60, 3000);
      plane.meter.look();
    }
    if (i % 10 === 0) {
      plane.meter.fallAsleep();
      plane.stand(5);
      plane.meter.wakeUp();
    }
  }
  const { said, real } = plane.busy;
  assert(Math.abs(said - real) < 0.01, `${said} instead of ${real}`);
  assert(Math.abs(plane.get("waitedUs") / 1000 - stood) < 0.02 * stood);
  assert(Math.abs(plane.get("asleepUs") - 100_000) < 10);
});

Deno.test("work that takes a millisecond is no waiting", () => {
  const plane = new Plane().run(100, () => [128, 1_200_000]);
  assert.equal(plane.get("waitedUs"), 0);
  assert.equal(plane.busy.said, 1);
  assert(plane.get("stalls") > 50, "though each such round keeps others waiting");
});

Deno.test("large frames are no stalls, but for the first of them", () => {
  const plane = new Plane().run(100, () => [128, 400_000]);
  assert(plane.get("stalls") < 4, `${plane.get("stalls")} stalls`);
  // Small ones again: looks become rare again.
  const { looks } = plane;
  plane.run(100, () => [128, 4000]);
  assert(plane.looks - looks < 4000, `${plane.looks - looks} looks`);
});

Deno.test("a plane that sleeps between all frames asks the kernel for its time now and then only", () => {
  const plane = new Plane();
  for (let i = 0; i < 20_000; i++) {
    plane.run(0.003, () => [1, 200]);
    plane.meter.fallAsleep();
    // Falling asleep and waking up are work of the thread as well.
    plane.pass(5000);
    plane.stand(0.02);
    plane.pass(5000);
    plane.meter.wakeUp();
    if (i % 1000 === 999) {
      plane.stand(20);
      plane.run(0.01, () => [0, 90]);
    }
  }
  const seconds = plane.elapsedUs / 1e6;
  assert(plane.asked / seconds < 300, `${plane.asked / seconds} times a second`);
  // Of 20 breaks of 20 ms what the sleeps of 5 ms took at most is missed.
  const waitedMs = plane.get("waitedUs") / 1000;
  assert(waitedMs > 0.75 * 400 && waitedMs <= 401, `${waitedMs} ms`);
});

/** Front-ends that cannot be taken: held, told of in bounded lines, taken when the port is free. */
import { strict as assert } from "node:assert";
import { closeFd, socketPair } from "../../../../ffi/mod.ts";
import { Arrival } from "../../../../lib/control/sockets/arrival.ts";
import {
  Doorstep,
  HELD_MAX,
  SLOWED_MAX,
  TOO_OFTEN,
} from "../../../../lib/control/sockets/doorstep.ts";
import { Knocks } from "../../../../lib/control/sockets/knocks.ts";
import { Pace } from "../../../../lib/control/sockets/pace.ts";
import type { TurnedAway } from "../../../../lib/control/sockets/port_socket.ts";
import { TOLD_MAX, Visit, Visits } from "../../../../lib/control/sockets/visits.ts";
import { until } from "../../../harness/until.ts";

const BUSY: TurnedAway = { code: "busy", why: "and pid 7 other is connected" };

/** A port that is taken until `free`, and what it was asked to do. */
class Port {
  free = false;
  readonly done: string[] = [];
  readonly lines: string[] = [];
  rooms = 0;
  readonly step = new Doorstep({
    mayTake: () => true,
    take: (fd) => {
      if (!this.free) return BUSY;
      this.free = false;
      this.done.push(`take ${fd}`);
      return null;
    },
    refuse: (fd, code) => this.done.push(`${code} ${fd}`),
    log: (level, event, message) => this.lines.push(`${level} ${event} ${message}`),
  }, () => this.rooms++);
}

Deno.test("Doorstep holds a handful, takes the oldest when the port is free, and refuses the rest", () => {
  const port = new Port();
  for (let fd = 1000; fd < 1000 + HELD_MAX; fd++) {
    assert(!port.step.isFull);
    port.step.hold(fd, BUSY);
  }
  assert(port.step.isFull);
  port.step.admit();
  assert.deepEqual(port.done, [], "the port is not free");
  assert(port.step.isFull, "and nobody lost a place");
  port.free = true;
  port.step.admit();
  assert.deepEqual(port.done, ["take 1000"]);
  assert.equal(port.rooms, 1);
  assert(!port.step.isFull);
  port.step.clear("admin-down");
  assert.equal(port.done.length, HELD_MAX);
  assert.equal(port.done[1], "admin-down 1001");
});

Deno.test("Doorstep takes who may come before strangers, and holds few of these", () => {
  const port = new Port();
  const stranger: TurnedAway = { code: "peer-uid", why: "and is of user 7" };
  for (let fd = 2000; fd < 2000 + HELD_MAX; fd++) {
    const isHeld = port.step.hold(fd, stranger);
    assert.equal(isHeld, fd < 2000 + SLOWED_MAX);
  }
  assert.equal(port.done.length, HELD_MAX - SLOWED_MAX, "the others were refused at once");
  assert(!port.step.isFull);
  port.step.hold(1000, BUSY);
  port.free = true;
  port.step.admit();
  assert.equal(port.done.at(-1), "take 1000");
  port.step.clear("admin-down");
});

Deno.test("Doorstep refuses whom nobody took in time, and not before", async () => {
  const port = new Port();
  const since = performance.now();
  port.step.hold(1000, BUSY);
  await until("the front-end is refused", () => port.done.length > 0);
  assert(performance.now() - since >= 990);
  assert.deepEqual(port.done, ["busy 1000"]);
  // One whose port is free in the last moment is taken.
  port.step.hold(1001, BUSY);
  port.free = true;
  await until("the front-end is taken", () => port.done.length > 1);
  assert.equal(port.done[1], "take 1001");
  port.step.clear("admin-down");
});

Deno.test("Knocks says a process once, once a minute, and when it stops", () => {
  const [near, far] = socketPair();
  let now = 0;
  const lines: string[] = [];
  const knocks = new Knocks(
    (_level, event, message) => lines.push(`${event}: ${message}`),
    () => now,
  );
  const seconds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      now += 1000;
      knocks.note(near, BUSY);
      if (i % 5 === 0) knocks.look();
    }
  };
  seconds(50);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    new RegExp(`^busy: .*pid ${Deno.pid} .* knocks, and pid 7 other is conn`),
  );
  seconds(70);
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /^knocks: .*still knocks, and pid 7 other is connected: \d\d tries/);
  now += 6000;
  knocks.look();
  assert.equal(lines.length, 3);
  assert.match(lines[2] ?? "", /stopped knocking: 120 tries in 119 s/);
  // What it has to be told of anew is no knock like those before.
  knocks.note(near, TOO_OFTEN);
  knocks.note(near, TOO_OFTEN);
  assert.equal(lines.length, 4);
  assert.match(lines[3] ?? "", /^too-often: .*thrown out so often/);
  knocks.close();
  closeFd(near);
  closeFd(far);
});

Deno.test("Pace slows down who comes again and again, not who stays", () => {
  let now = 0;
  const pace = new Pace(8, () => now);
  const taken = (): number => {
    let count = 0;
    for (; pace.mayTake(); count++) pace.took();
    return count;
  };
  assert.equal(taken(), 216);
  now += 10_000;
  assert.equal(taken(), 200, "twenty a second");
  now += 50;
  for (let i = 0; i < 1000; i++) {
    assert(pace.mayTake());
    pace.took();
    pace.ended({ pid: 7, stay: "long", faulty: true });
  }
  assert(pace.mayTakeFrom(7), "whoever stayed is in nobody's way");
});

Deno.test("Pace lets nobody bring links up and down without end", () => {
  let now = 0;
  const pace = new Pace(1, () => now);
  const visits = (): number => {
    let count = 0;
    for (; count < 10_000 && pace.mayTake(); count++) {
      pace.took();
      pace.ended({ pid: 7, stay: "linked", faulty: count % 2 === 0 });
    }
    return count;
  };
  assert.equal(visits(), 403);
  now += 5000;
  assert.equal(visits(), 200, "forty a second");
  assert(pace.mayTakeFrom(7), "that is no fault");
});

Deno.test("Pace has a process wait whose connections had to be closed, and no other one", () => {
  let now = 0;
  const pace = new Pace(1, () => now);
  const faults = (pid: number): number => {
    let count = 0;
    for (; pace.mayTakeFrom(pid); count++) pace.ended({ pid, stay: "short", faulty: true });
    return count;
  };
  for (let i = 0; i < 1000; i++) pace.ended({ pid: 7, stay: "short", faulty: false });
  assert(pace.mayTakeFrom(7), "it left by itself");
  assert.equal(faults(7), 50);
  assert(pace.mayTakeFrom(8));
  now += 10_000;
  assert.equal(faults(7), 10, "one a second");
  // Of as many as there may be, the one that was quiet for longest is forgotten.
  for (let pid = 100; pid < 164; pid++) pace.ended({ pid, stay: "short", faulty: true });
  assert(pace.mayTakeFrom(7));
  // Processes that cannot be told apart do not suffer for each other.
  for (let i = 0; i < 100; i++) pace.ended({ pid: 0, stay: "short", faulty: true });
  assert(pace.mayTakeFrom(0));
});

Deno.test("Doorstep lets who has to wait try after a second, and others in meanwhile", async () => {
  const port = new Port();
  for (let fd = 1000; fd < 1000 + SLOWED_MAX; fd++) assert(port.step.hold(fd, TOO_OFTEN));
  assert(!port.step.hold(1100, TOO_OFTEN), "a fifth one has no place");
  assert.deepEqual(port.done, ["too-often 1100"]);
  assert(port.step.hold(1200, BUSY));
  port.free = true;
  port.step.admit();
  assert.deepEqual(port.done.slice(1), ["take 1200"], "those before it wait their time");
  port.free = true;
  port.step.admit();
  assert.equal(port.done.length, 2);
  await until("the first of them has its try", () => port.done.length >= 3);
  assert.deepEqual(port.done.slice(2), ["take 1000", "busy 1001", "busy 1002", "busy 1003"]);
  assert.match(port.lines[0] ?? "", /warn too-often .* knocks, and was thrown out so often/);
  port.step.clear("admin-down");
});

Deno.test("Knocks tells of those without a line of their own once a minute", () => {
  let now = 0;
  const lines: string[] = [];
  let pid = 0;
  const knocks = new Knocks(
    (_level, event, message) => lines.push(`${event}: ${message}`),
    () => now,
    { pid: () => pid, describe: () => ({ pid, uid: 0, command: "many" }) },
  );
  // Sixteen go on for ever, and two hundred others come once each.
  for (let second = 1; second <= 300; second++) {
    now += 1000;
    for (pid = 1; pid <= 16; pid++) knocks.note(-1, BUSY);
    pid = 1000 + second;
    if (second <= 200) knocks.note(-1, BUSY);
    if (second % 5 === 0) knocks.look();
  }
  const others = lines.filter((line) => /of other processes/.test(line));
  assert.deepEqual(others, [
    "knocks: 65 tries of other processes in 64 s",
    "knocks: 65 tries of other processes in 64 s",
    "knocks: 65 tries of other processes in 64 s",
    "knocks: 5 tries of other processes in 64 s",
  ]);
  knocks.close();
});

Deno.test("Visits tells of the first few, then of their number; who stays has its line late", () => {
  let now = 0;
  const lines: string[] = [];
  const say = (level: string, event: string, message: string): void => {
    if (level !== "debug") lines.push(`${event}: ${message}`);
  };
  const visits = new Visits(say, () => now);
  const peer = { pid: 7, uid: 0, command: "noise" };
  const visit = (): Visit => {
    const visit = new Visit(visits, say, peer);
    visit.come();
    return visit;
  };
  const noise = (count: number): void => {
    for (let i = 0; i < count; i++) visit().leave({ code: "too-long", detail: "endless" });
  };
  // Those that stay are no news.
  for (let i = 0; i < 3 * TOLD_MAX; i++) {
    const stays = visit();
    assert(!stays.stay());
    stays.leave(null);
  }
  assert.equal(lines.length, 6 * TOLD_MAX);
  lines.length = 0;
  now += 120_000;
  noise(100);
  assert.equal(lines.length, 2 * TOLD_MAX);
  const good = visit();
  good.log("info", "link-up", "link up");
  assert.equal(lines.length, 2 * TOLD_MAX, "nobody knows yet that it stays");
  assert(good.stay());
  good.log("info", "link-down", "link down");
  good.leave(null);
  assert.deepEqual(lines.slice(2 * TOLD_MAX), [
    "connected: front-end connected (pid 7 noise)",
    "link-down: link down",
    "disconnected: front-end disconnected",
  ]);
  lines.length = 0;
  visits.minute();
  noise(60);
  visits.minute();
  assert.deepEqual(lines, [
    "visits: 95 more front-ends came and left in the last 60 s, at last pid 7 noise, closed: endless",
    "visits: 60 more front-ends came and left in the last 60 s, at last pid 7 noise, closed: endless",
  ]);
  // Once it is quiet, the next ones have their lines again.
  visits.minute();
  noise(1);
  assert.equal(lines.length, 4);
  visits.close();
});

Deno.test("Arrival tells of who speaks or stays, once", async () => {
  let told = 0;
  const silent = new Arrival(() => told++);
  silent.end(false);
  assert.equal(silent.isAnnounced, false);
  const talks = new Arrival(() => told++);
  talks.announce();
  talks.announce();
  assert.equal(told, 1);
  talks.end(true);
  assert.equal(talks.stay, "short");
  const stays = new Arrival(() => told++);
  await until("who stays is told of", () => stays.isAnnounced);
  assert.equal(stays.stay, "long");
  assert.equal(told, 2);
  stays.prove();
  assert.equal(stays.stay, "long", "a link makes it no shorter");
  stays.end(false);
  const linked = new Arrival(() => told++);
  linked.prove();
  assert.equal(linked.stay, "linked");
  linked.end(false);
});

Deno.test("a socket rests after a front-end that held the data plane up, for longer each time", () => {
  const rests = (multi: number): number[] => {
    let now = 1e6;
    const pace = new Pace(multi, () => now);
    return Array.from({ length: 8 }, () => {
      pace.ended({ pid: 7, stay: "long", faulty: true, stalled: true });
      const began = now;
      assert(!pace.mayTake() && !pace.mayTakeFrom(8) && pace.mayAccept());
      while (!pace.mayTakeFrom(8)) now += 500;
      assert(pace.mayTake());
      return (now - began) / 1000;
    });
  };
  assert.deepEqual(rests(1), [1, 2, 4, 8, 16, 32, 60, 60]);
  assert.deepEqual(rests(2), Array(8).fill(1), "not all of many are to blame");
  let now = 0;
  const pace = new Pace(1, () => now);
  for (let i = 0; i < 5; i++) pace.ended({ pid: 7, stay: "long", faulty: true, stalled: true });
  now += 700_000;
  pace.ended({ pid: 7, stay: "long", faulty: true, stalled: true });
  now += 1000;
  assert(pace.mayTake(), "it is forgotten");
});

/** Front-ends that cannot be taken: held, told of in bounded lines, taken when the port is free. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { closeFd, socketPair } from "../../../ffi/mod.ts";
import { Arrival } from "../../../lib/control/arrival.ts";
import { Doorstep, HELD_MAX } from "../../../lib/control/doorstep.ts";
import { Knocks } from "../../../lib/control/knocks.ts";
import { Pace } from "../../../lib/control/pace.ts";
import type { TurnedAway } from "../../../lib/control/port_socket.ts";
import { until } from "../../harness/until.ts";

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
    ok(!port.step.isFull);
    port.step.hold(fd, BUSY);
  }
  ok(port.step.isFull);
  port.step.admit();
  deepEqual(port.done, [], "the port is not free");
  ok(port.step.isFull, "and nobody lost a place");
  port.free = true;
  port.step.admit();
  deepEqual(port.done, ["take 1000"]);
  equal(port.rooms, 1);
  ok(!port.step.isFull);
  port.step.clear("admin-down");
  equal(port.done.length, HELD_MAX);
  equal(port.done[1], "admin-down 1001");
});

Deno.test("Doorstep refuses whom nobody took in time, and not before", async () => {
  const port = new Port();
  const since = performance.now();
  port.step.hold(1000, BUSY);
  await until("the front-end is refused", () => port.done.length > 0);
  ok(performance.now() - since >= 990);
  deepEqual(port.done, ["busy 1000"]);
  // One whose port is free in the last moment is taken.
  port.step.hold(1001, BUSY);
  port.free = true;
  await until("the front-end is taken", () => port.done.length > 1);
  equal(port.done[1], "take 1001");
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
  equal(lines.length, 1);
  match(lines[0] ?? "", new RegExp(`^busy: .*pid ${Deno.pid} .* knocks, and pid 7 other is conn`));
  seconds(70);
  equal(lines.length, 2);
  match(lines[1] ?? "", /^knocks: .*still knocks, and pid 7 other is connected: \d\d tries/);
  now += 6000;
  knocks.look();
  equal(lines.length, 3);
  match(lines[2] ?? "", /stopped knocking: 120 tries in 119 s/);
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
  equal(taken(), 216);
  now += 10_000;
  equal(taken(), 200, "twenty a second");
  now += 50;
  for (let i = 0; i < 1000; i++) {
    ok(pace.mayTake());
    pace.took();
    pace.refund();
  }
});

Deno.test("Arrival tells of who speaks or stays, once", async () => {
  let told = 0;
  const silent = new Arrival(() => told++);
  silent.end(false);
  equal(silent.isAnnounced, false);
  const talks = new Arrival(() => told++);
  talks.announce();
  talks.announce();
  equal(told, 1);
  talks.end(true);
  ok(!talks.isWorthy);
  const stays = new Arrival(() => told++);
  await until("who stays is told of", () => stays.isAnnounced);
  ok(stays.isWorthy);
  equal(told, 2);
});

/** What operators hear of flapping addresses: every flap once, in few lines. */
import { strict as assert } from "node:assert";
import type { LogFields } from "../../../lib/control/log.ts";
import { MacFlaps } from "../../../lib/control/mac_flaps.ts";

/** Flaps that last until they are calm, and the lines about them. */
class Bench implements Disposable {
  readonly lines: string[] = [];
  readonly fields: (LogFields | undefined)[] = [];
  readonly calm = new Set<number>();
  flapped = 0;
  readonly flaps = new MacFlaps({
    logger: {
      warn: (component, event, message, fields) => {
        assert.equal(event, "mac-flap");
        this.lines.push(`${component}: ${message}`);
        this.fields.push(fields);
      },
    },
    isFlapping: ({ low }) => !this.calm.has(low),
    flapsSoFar: () => this.flapped,
  });

  begin(low: number, port: string, other: string): void {
    this.flapped++;
    this.flaps.begin({ low, high: 0 }, [port, other]);
  }

  codes(port: string): string[] {
    return this.flaps.problems(port).map(({ code }) => code);
  }

  [Symbol.dispose](): void {
    this.flaps.close();
  }
}

Deno.test("a flap's line names the address and both ports", () => {
  using bench = new Bench();
  bench.begin(0x0a005452, "vm1", "vm2");
  assert.equal(bench.lines.length, 1);
  assert.match(bench.lines[0] ?? "", /^port vm1: 52:54:00:0a:00:00 moves between vm1 and vm2 /);
  assert.deepEqual(bench.fields, [{ mac: "52:54:00:0a:00:00", other: "vm2" }]);
  bench.flaps.endWindow();
  assert.equal(bench.lines.length, 1, "nothing more to say");
});

Deno.test("a flap in a VLAN names it", () => {
  using bench = new Bench();
  bench.flaps.begin({ low: 0x0a005452, high: 10 << 16 }, ["vm1", "vm2"]);
  assert.match(bench.lines[0] ?? "", /: 52:54:00:0a:00:00 of VLAN 10 moves between vm1 and vm2 /);
});

Deno.test("a pair of ports has two lines a minute, the others are one number", () => {
  using bench = new Bench();
  for (let mac = 0; mac < 4096; mac++) {
    const [port, other] = mac % 2 === 0 ? ["a", "b"] as const : ["b", "a"] as const;
    bench.begin(mac, port, other);
  }
  assert.equal(bench.lines.length, 2);
  bench.begin(1, "c", "d");
  assert.equal(bench.lines.length, 3, "another pair has its own");
  // Those that found no room among the events count too.
  bench.flapped += 1000;
  bench.flaps.endWindow();
  assert.match(bench.lines[3] ?? "", /^switch: 5094 more MAC addresses /);
  bench.flaps.endWindow();
  bench.begin(1, "a", "b");
  assert.equal(bench.lines.length, 5, "a minute later it is told again");
});

Deno.test("a port has ten lines a minute, whoever else is at the other end", () => {
  using bench = new Bench();
  for (let i = 0; i < 200; i++) bench.begin(i, "bad", `vm${i}`);
  for (let i = 0; i < 200; i++) bench.begin(i, `vm${i}`, "bad");
  assert.equal(bench.lines.length, 10);
  bench.begin(1, "vm100", "vm101");
  assert.equal(bench.lines.length, 11, "its victims have theirs");
  bench.flaps.endWindow();
  assert.match(bench.lines[11] ?? "", /^switch: 390 more/);
});

Deno.test("news that come behind the number they are in are not counted twice", () => {
  using bench = new Bench();
  bench.begin(1, "a", "b");
  bench.flapped++;
  bench.flaps.endWindow();
  assert.match(bench.lines[1] ?? "", /^switch: 1 more MAC address moved/);
  bench.flapped--;
  bench.begin(2, "a", "b");
  bench.flaps.endWindow();
  assert.equal(bench.lines.length, 3);
  for (let mac = 0; mac < 5; mac++) bench.begin(mac, "a", "b");
  bench.flaps.endWindow();
  assert.match(bench.lines[5] ?? "", /^switch: 2 more/);
});

Deno.test("flaps at ports that are gone are nobody's", () => {
  using bench = new Bench();
  bench.flapped = 3;
  for (let i = 0; i < 3; i++) bench.flaps.beganAtNone();
  bench.begin(1, "a", "b");
  bench.flaps.endWindow();
  assert.equal(bench.lines.length, 1);
});

Deno.test("a port has a problem while one of its addresses flaps", () => {
  using bench = new Bench();
  assert.deepEqual(bench.codes("a"), []);
  bench.begin(1, "a", "b");
  bench.begin(2, "a", "c");
  assert.deepEqual(["a", "b", "c", "d"].map((port) => bench.codes(port).length), [1, 1, 1, 0]);
  assert.match(
    bench.flaps.problems("b")[0]?.text ?? "",
    /^01:00:00:00:00:00 moves between a and b/,
  );
  bench.calm.add(1);
  assert.match(
    bench.flaps.problems("a")[0]?.text ?? "",
    /^02:00:00:00:00:00 moves between a and c/,
  );
  assert.deepEqual(bench.codes("b"), []);
  bench.calm.add(2);
  assert.deepEqual(["a", "c"].map((port) => bench.codes(port).length), [0, 0]);
});

Deno.test("a port that is removed is blamed no more, under whatever name another comes", () => {
  using bench = new Bench();
  bench.begin(1, "a", "b");
  bench.flaps.forget("b");
  assert.deepEqual([bench.codes("a"), bench.codes("b")], [[], []]);
});

Deno.test("thousands of flaps at a port hide none that lasted before them", () => {
  using bench = new Bench();
  bench.begin(77, "a", "b");
  for (let mac = 100; mac < 5000; mac++) bench.begin(mac, "a", "c");
  assert.match(bench.flaps.problems("a")[0]?.text ?? "", /^4d:/);
  bench.calm.add(77);
  assert.deepEqual(bench.codes("a"), ["mac-flap"]);
});

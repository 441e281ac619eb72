/**
 * What the bench reads of the machine, and of the programs it runs.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { CoreMeter, judge, readCpuTicks, readThreadNs, waitedShare } from "../../../bench/busy.ts";
import { parseForwardStats } from "../../../bench/load/testpmd_work.ts";
import {
  chooseCpus,
  memoryNodes,
  readList,
  readTopology,
  type Topology,
} from "../../../bench/machine.ts";
import { parseIperf } from "../../../bench/load/guest_tcp.ts";
import { parsePmdStats } from "../../../bench/rivals/ovs.ts";
import { workSince } from "../../../bench/rivals/vuswitch.ts";
import { workOf } from "../../../lib/control/work.ts";

const FORWARD = `
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 48000          RX-dropped: 0             RX-total: 48000
  RX-bursts : 1000 [25% of 0 pkts + 75% of 64 pkts]
  TX-bursts : 750 [0% of 0 pkts + 100% of 64 pkts]
  ---------------------- Forward statistics for port 1  ----------------------
  RX-bursts : 3000 [100% of 64 pkts]
  CPU cycles/packet=7.80 (total cycles=1680000000 / total io packets=216454368) at 2100 MHz Clock
testpmd> `;

Deno.test("parseForwardStats() reads cycles and empty polls of all ports", () => {
  assert.deepEqual(parseForwardStats(FORWARD), {
    ...{ hz: 2.1e9, cycles: 1.68e9, polls: 4000, emptyPolls: 250 },
  });
  assert.equal(parseForwardStats("  RX-packets: 48000\n"), null, "the counters are off");
});

Deno.test("parsePmdStats() reads the share of cycles with frames", () => {
  const text = "pmd thread numa_id 0 core_id 1:\n  packets received: 12\n" +
    "  idle cycles: 300 (30.00%)\n  processing cycles: 700 (70.00%)\n";
  assert.equal(parsePmdStats(text), 0.7);
  assert.equal(parsePmdStats("  idle cycles: 0 (0%)\n  processing cycles: 0 (0%)\n"), null);
  assert.equal(parsePmdStats("main thread:\n"), null);
});

Deno.test("parseIperf() reads what the server received", () => {
  const text = "[  5]   0.00-3.04   sec   524 MBytes  1447 Mbits/sec                  receiver\n";
  assert.equal(parseIperf(text), 1447);
  assert.equal(parseIperf("iperf3: error - unable to connect to server"), null);
});

Deno.test("workSince() has the share of a run alone, not of what came before it", () => {
  const first = workOf({ busyUs: 1000, pollingUs: 99_000 });
  const last = workOf({ busyUs: 901_000, pollingUs: 199_000 });
  assert.deepEqual(workSince(first, last), { worked: 0.9, emptyPolls: null });
  // Half of the time others had its core.
  const held = workOf({ busyUs: 901_000, pollingUs: 199_000, waitedUs: 1_000_000 });
  assert.equal(workSince(first, held).worked, 0.9);
  const stood = workOf({ busyUs: 1000, pollingUs: 99_000, waitedUs: 500 });
  assert.equal(workSince(first, stood).worked, null);
  assert.deepEqual(workSince(first, first), { worked: null, emptyPolls: null });
});

Deno.test("processors of one node that share no core are chosen, the second for the generator", () => {
  const cpu = (number: number, siblings: number[], node = 0): Topology => ({
    ...{ cpu: number, siblings, node },
  });
  const plain = [cpu(0, [0]), cpu(1, [1])];
  assert.deepEqual(chooseCpus(plain), { switch: 1, generator: 0 });
  const threads = [cpu(0, [0, 1]), cpu(1, [0, 1]), cpu(2, [2, 3]), cpu(3, [2, 3])];
  assert.deepEqual(chooseCpus(threads), { switch: 3, generator: 1 });
  const nodes = [cpu(0, [0, 2]), cpu(2, [0, 2]), cpu(4, [4], 1), cpu(1, [1, 3]), cpu(3, [1, 3])];
  assert.deepEqual(chooseCpus(nodes), { switch: 3, generator: 2 });
  assert.deepEqual(chooseCpus([cpu(0, [0]), cpu(1, [1], 1)]), { switch: 0, generator: 1 });
  const far = [cpu(0, [0]), cpu(1, [1]), cpu(2, [2], 1), cpu(3, [3], 1)];
  assert.deepEqual(chooseCpus(far), { switch: 1, generator: 0 }, "of the first node");
  assert.deepEqual(chooseCpus([cpu(0, [0, 1]), cpu(1, [0, 1])]), { switch: 1, generator: 0 });
  assert.equal(chooseCpus([cpu(0, [0])]), null);
});

Deno.test("readList() and readTopology() read what the kernel writes", () => {
  assert.deepEqual(readList("0-2,5,7-8"), [0, 1, 2, 5, 7, 8]);
  assert.deepEqual(readList(""), []);
  const own = readTopology();
  assert(own.length > 0);
  assert(memoryNodes() >= new Set(own.map(({ node }) => node)).size);
  for (const { cpu, siblings } of own) assert(siblings.includes(cpu));
});

Deno.test("busy, stolen and waiting time are read", () => {
  const stat = "cpu  1 2 3\ncpu1 100 0 50 800 10 5 5 30 0 0\ncpu10 9 9 9 9 9 9 9 9 0 0\n";
  assert.deepEqual(readCpuTicks(stat, 1), { busy: 160, stolen: 30, all: 1000 });
  assert.deepEqual(readThreadNs("900 100 3\n"), { ran: 900, waited: 100 });
  const before = new Map([["a", { ran: 100, waited: 0 }], ["b", { ran: 5000, waited: 0 }]]);
  const after = new Map([["a", { ran: 1000, waited: 100 }], ["b", { ran: 5001, waited: 900 }]]);
  assert.equal(waitedShare(before, after), 0.1, "of the thread that ran most since then");
  assert.equal(waitedShare(before, before), null);
});

Deno.test("CoreMeter looks at this very process", () => {
  const meter = new CoreMeter(readTopology()[0]?.cpu ?? 0, [Deno.pid]);
  for (const end = performance.now() + 30; performance.now() < end;);
  const { busy, stolen, waited, worked } = meter.read({ worked: 0.12345, emptyPolls: null });
  for (const share of [busy, stolen, waited]) assert(share !== null && share >= 0 && share <= 1);
  assert.equal(worked, 0.123);
});

Deno.test("judge() says what spoils a run, and nothing of one that is well", () => {
  const core = { cpu: 0, busy: 1, stolen: 0, waited: 0, worked: 0.5, emptyPolls: 0.5 };
  assert.equal(judge(core, core), "");
  assert.equal(judge({ ...core, emptyPolls: 0.01 }, core), "generator-bound");
  assert.equal(judge({ ...core, worked: 0.97 }, core), "generator-bound", "in short bursts");
  assert.equal(judge(core, { ...core, worked: 0.97 }), "", "a switch may work all the time");
  assert.equal(judge(core, { ...core, waited: 0.1, stolen: 0.02 }), "switch disturbed 12 %");
  assert.equal(judge(null, null), "");
});

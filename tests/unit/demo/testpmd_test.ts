/**
 * Words that start testpmd, and the reading of its counters.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { parseStats, testpmdWords } from "../../../lib/demo/testpmd.ts";

Deno.test("testpmdWords() puts EAL words first, then testpmd's", () => {
  const words = testpmdWords({
    ports: [
      { socket: "/a", mac: "02:00:00:00:00:01", packed: true, mrgRxbuf: false, queueSize: 1024 },
      "net_pcap0,tx_pcap=/x",
    ],
    memoryMib: 256,
    hugepages: false,
    cpus: { main: 0, forward: [1] },
    burst: 64,
    descriptors: { rx: 1024, tx: 64 },
    words: ["--no-flush-rx"],
  });
  const split = words.indexOf("--");
  const eal = words.slice(0, split);
  const own = words.slice(split + 1);
  assert(eal.join(" ").startsWith("--lcores 0@0,1@1 --no-pci --no-telemetry --no-huge"));
  assert(eal.includes(
    "--vdev=net_virtio_user0,path=/a,mac=02:00:00:00:00:01,queues=1,queue_size=1024," +
      "packed_vq=1,mrg_rxbuf=0",
  ));
  assert(eal.includes("--vdev=net_pcap0,tx_pcap=/x"));
  const expected = ["-i", "--nb-cores=1", "--rxd=1024", "--txd=64", "--burst=64"];
  assert.deepEqual(own.slice(0, expected.length), expected);
  assert.equal(own.at(-1), "--no-flush-rx");
});

Deno.test("testpmdWords() keeps all huge pages in one file", () => {
  const words = testpmdWords({ ports: [{ socket: "/a" }], memoryMib: 512, hugepages: true });
  assert(words.includes("--single-file-segments") && !words.includes("--no-huge"));
});

const STATS = `
  ######################## NIC statistics for port 0  ########################
  RX-packets: 12416640   RX-missed: 1          RX-bytes:  794664960
  RX-errors: 2
  RX-nombuf:  3
  TX-packets: 12417216   TX-errors: 4          TX-bytes:  794701824

  Throughput (since last show)
  Rx-pps:      3941631          Rx-bps:   2018115344
  Tx-pps:      3941695          Tx-bps:   2018147944
  ############################################################################
`;

Deno.test("parseStats() reads every port", () => {
  const [first, second, ...rest] = parseStats(STATS + STATS.replace("port 0", "port 1"));
  assert.deepEqual(first, {
    port: 0,
    rxPackets: 12416640,
    rxBytes: 794664960,
    rxMissed: 1,
    rxErrors: 2,
    rxNoMbuf: 3,
    txPackets: 12417216,
    txErrors: 4,
    txBytes: 794701824,
    rxPps: 3941631,
    txPps: 3941695,
  });
  assert.equal(second?.port, 1);
  assert.deepEqual(rest, []);
});

Deno.test("parseStats() does not take silence for zero", () => {
  assert.throws(() => parseStats(STATS.replace("Rx-pps", "")), /shows no Rx-pps/);
});

/**
 * Metrics of a running switch as Prometheus' own programs read them: promtool checks the page, and a
 * Prometheus scrapes it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { METRICS } from "../../lib/control/metrics/families.ts";
import { Bed } from "../harness/bed.ts";
import { readMetrics, series } from "../harness/exposition.ts";
import { peerTest } from "../harness/peers.ts";
import { PROMETHEUS_MISSING, promtool } from "../harness/promtool.ts";
import { askSwitch } from "../harness/recorder.ts";
import { introduce, macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

/** The address that the log names. */
async function metricsUrl(bed: Bed): Promise<string> {
  let url = "";
  await until("where metrics are", () => {
    url = /metrics at (http:\S+)/.exec(bed.process.log)?.[1] ?? "";
    return url !== "";
  });
  return url;
}

Deno.test("metrics are served at the control socket and at a TCP port, and count frames", async (t) => {
  await using bed = await Bed.make(["", "mtu=1400"], "--metrics", "127.0.0.1:0", "--sandbox");
  const [one, other] = [await bed.guest(1), await bed.guest(2)];
  await introduce(one, other);
  const url = await metricsUrl(bed);

  await t.step("both places have every metric that there is something of", async () => {
    const atTcp = readMetrics(await (await fetch(url)).text());
    const { type, body } = await askSwitch(bed.process.ctl, "GET", "/metrics", null);
    assert.equal(type, "text/plain; version=0.0.4; charset=utf-8");
    const served = readMetrics(body);
    assert.deepEqual([...atTcp.keys()], [...served.keys()]);
    const lacks = METRICS.map(({ name }) => name)
      .filter((name) =>
        !served.has(name) && !/_(listener|problem|protocol_errors|vring_errors)_?/.test(name)
      );
    assert.deepEqual(lacks, []);
    for (const [name, { type }] of served) {
      assert.equal(METRICS.find((each) => each.name === name)?.type, type, name);
    }
  });
  await t.step("values are those of the control API", async () => {
    const { counters } = await bed.port(1);
    const served = readMetrics(await (await fetch(url)).text());
    const received = served.get("vuswitch_port_receive_frames_total")?.values
      .get(series("vuswitch_port_receive_frames_total", { port: "vm1" }));
    assert(Number(received) >= (counters["rxFrames"] ?? NaN) && Number(received) > 0);
    assert.equal(
      served.get("vuswitch_port_mtu_bytes")?.values
        .get(series("vuswitch_port_mtu_bytes", { port: "vm2" })),
      1400,
    );
  });
  await t.step("sizes are those of the frames, and of each visit there is a time", async () => {
    const sum = "vuswitch_port_frame_size_bytes_sum";
    const labels = { port: "vm1", direction: "receive" };
    await until("a frame was looked at", async () => {
      one.send(numberedFrame(macOf(2), macOf(1), 1, 200));
      const served = readMetrics(await (await fetch(url)).text());
      const sizes = served.get("vuswitch_port_frame_size_bytes")?.values;
      const count = Number(sizes?.get(series(sum.replace("_sum", "_count"), labels)));
      if (!(count > 0)) return false;
      assert(Number(sizes?.get(series(sum, labels))) >= 14 * count);
      const visits = served.get("vuswitch_worker_visit_seconds")?.values
        .get(series("vuswitch_worker_visit_seconds_count", { worker: "0" }));
      return Number(visits) > 0;
    });
  });
  await t.step("buffers that a guest has ready, and addresses by port and VLAN", async () => {
    await until("rings were looked at", async () => {
      const served = readMetrics(await (await fetch(url)).text());
      const read = (name: string, labels: Record<string, string>): number =>
        Number(served.get(name)?.values.get(series(name, labels)));
      assert.equal(read("vuswitch_fdb_port_entries", { port: "vm1" }), 1);
      assert.equal(read("vuswitch_fdb_vlan_entries", { vlan: "0" }), 2);
      const ring = { port: "vm1", vring: "0", direction: "transmit" };
      const ready = read("vuswitch_vring_ready_buffers", ring);
      assert(ready <= read("vuswitch_vring_size_buffers", ring));
      return ready > 0;
    });
  });
  await t.step("it is ready", async () => {
    const answer = await fetch(new URL("/readyz", url));
    assert.deepEqual([answer.status, await answer.text()], [200, "ok\n"]);
  });
  await t.step("series of a port end with it, and begin at 0 with the next", async () => {
    const { ctl } = bed.process;
    const name = "vuswitch_port_connects_total";
    const read = async (): Promise<number | undefined> => {
      const { body } = await askSwitch(ctl, "GET", "/metrics", null);
      return readMetrics(body).get(name)?.values.get(series(name, { port: "vm2" }));
    };
    assert.equal(await read(), 1);
    other.close();
    assert.equal((await askSwitch(ctl, "DELETE", "/v1/ports/vm2", null)).status, 204);
    assert.equal(await read(), undefined);
    const again = JSON.stringify({ name: "vm2", path: bed.socket(2), mtu: 1400 });
    assert.equal((await askSwitch(ctl, "POST", "/v1/ports", again)).status, 201);
    assert.equal(await read(), 0);
  });
});

peerTest("promtool finds nothing to say against the page", PROMETHEUS_MISSING, async () => {
  await using bed = await Bed.make(
    2,
    "--metrics",
    "127.0.0.1:0",
    "-p",
    "pool{n}=pool.sock,multi=2",
  );
  await introduce(await bed.guest(1), await bed.guest(2));
  const page = await (await fetch(await metricsUrl(bed))).text();
  assert.equal(await promtool(page, "check", "metrics"), "");
});

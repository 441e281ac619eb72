/** Ports whose pages could not be had are served no more, from one round to the next. */
import { strict as assert } from "node:assert";
import { LOG_OFF } from "../../../../lib/virtio/ring.ts";
import { anyLost, WindowSet } from "../../../../lib/virtio/memory/window.ts";
import { MappedPort } from "./mapped_port.ts";

Deno.test("a port whose memory lost pages gets no frame", () => {
  const port = new MappedPort(false);
  port.start(false, LOG_OFF);
  assert.equal(port.port?.receivers.length, 1);
  port.lose();
  assert.equal(port.port?.isLost, true);
  assert.equal(port.port?.receivers.length, 0);
  assert.equal(port.path.sources.length, 0);
  assert.equal(port.path.deliverableCount, 0);
  port.run("stopVring", { port: 0, vring: 0 });
  assert(anyLost());
  port[Symbol.dispose]();
  assert(!anyLost(), "what is unmapped is not lost any more");
});

Deno.test("a port whose log or record lost pages is lost as well, and another's is not", () => {
  using port = new MappedPort(false);
  port.start(false, LOG_OFF);
  const { vrings } = port.port ?? { vrings: [] };
  const windows = WindowSet.over(new ArrayBuffer(64));
  windows.lose();
  assert.equal(port.port?.isLost, false);
  port.log();
  assert.equal(port.port?.logWindows, port.port?.memory.regions[0]?.windows);
  if (port.port) port.port.logWindows = windows;
  assert.equal(port.port?.isLost, true);
  if (port.port) port.port.logWindows = null;
  assert.equal(port.port?.isLost, false);
  const [vring] = vrings;
  assert(vring);
  vring.recordWindows = windows;
  assert.equal(port.port?.isLost, true);
  vring.recordWindows = null;
  port.run("stopVring", { port: 0, vring: 0 });
  windows.release();
});

Deno.test("a queue that starts knows where its record is mapped", () => {
  using port = new MappedPort(false);
  port.start(false, LOG_OFF);
  port.run("stopVring", { port: 0, vring: 0 });
  port.start(false, LOG_OFF, port.address, {
    ...{ kind: "inflight", address: port.address + 65536, entries: 16, counter: 0, listed: false },
  });
  const windows = port.port?.memory.regions[0]?.windows;
  assert.equal(port.port?.vrings[0]?.recordWindows, windows);
  port.run("stopVring", { port: 0, vring: 0 });
});

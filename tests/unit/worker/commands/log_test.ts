/** What a virtqueue logs when it starts. */
import { strict as assert } from "node:assert";
import { LOG_BY_PLACE, LOG_OFF } from "../../../../lib/virtio/ring.ts";
import { MappedPort } from "./mapped_port.ts";

function pages(log: Uint8Array): number[] {
  return Array.from({ length: 8 }, (_, page) => page).filter((page) => (log[0] ?? 0) >>> page & 1);
}

for (const packed of [false, true]) {
  const kind = packed ? "packed" : "split";
  Deno.test(`${kind} ring that starts logs all a process before may have written into it`, () => {
    using port = new MappedPort(false);
    const log = port.log();
    port.start(packed, LOG_OFF);
    assert.deepEqual(pages(log), []);
    port.start(packed, LOG_BY_PLACE);
    // Descriptors of a packed ring are written by the device, of a split one the used ring is.
    assert.deepEqual(pages(log), packed ? [0, 2] : [2]);
  });
}

/**
 * What a guest that comes costs the others: the longest time the data plane is away while a guest of
 * 64 GiB is mapped, told to it, touched in every GiB and taken away again.
 * `deno run -A bench/micro/attach.ts [GIB]`: ms, the longest of each step and all of them together.
 *
 * @module
 */
import { closeFd, createMemoryFile, viewBytesMax, viewMemory } from "../../ffi/mod.ts";
import { GuestArena } from "../../lib/control/front_end/guest_arena.ts";
import { Arena, WINDOW_STRIDE } from "../../lib/virtio/memory/arena.ts";
import { GuestMemory, pushSegments } from "../../lib/virtio/memory/guest_memory.ts";
import { useArena, WindowSet } from "../../lib/virtio/memory/window.ts";
import { reserveArena } from "../../lib/worker/arena.ts";

const ROUNDS = 8;
const sizeBytes = Number(Deno.args[0] ?? 64) * WINDOW_STRIDE;

/** The longest and the sum of many times, ms. */
class Times {
  #longest = 0;
  #sum = 0;

  measure<T>(run: () => T): T {
    const start = performance.now();
    const result = run();
    const time = performance.now() - start;
    this.#longest = Math.max(this.#longest, time);
    this.#sum += time;
    return result;
  }

  show(name: string): void {
    const [longest, sum] = [this.#longest, this.#sum].map((ms) => ms.toFixed(3).padStart(9));
    console.log(`${name.padEnd(36)} longest ${longest}  together ${sum}`);
  }
}

const start = new Times();
const map = new Times();
const tell = new Times();
const touch = new Times();
const unmap = new Times();
const reserved = start.measure(() => {
  const reservation = reserveArena();
  const place = { address: reservation.address, sizeBytes: reservation.sizeBytes };
  useArena(new Arena({ ...place, viewBytesMax: viewBytesMax() }, viewMemory));
  return reservation;
});
const arena = new GuestArena(reserved);
for (let round = 0; round < ROUNDS; round++) {
  const fd = createMemoryFile("attach", sizeBytes);
  const mapping = map.measure(() => arena.map(fd, 0, sizeBytes));
  if (mapping === null) throw new Error(`No room for ${sizeBytes} bytes`);
  const windows = tell.measure(() => WindowSet.mapped(mapping.address, sizeBytes));
  const region = { guestAddr: 0, sizeBytes, windows, mappingOffset: 0 };
  const memory = tell.measure(() => new GuestMemory([region]));
  for (let at = 0; at < sizeBytes; at += WINDOW_STRIDE) {
    touch.measure(() => pushSegments(memory, 0, at | 0, Math.floor(at / 2 ** 32), 64));
  }
  tell.measure(() => windows.release());
  unmap.measure(() => arena.unmap(mapping));
  closeFd(fd);
}
start.show("once, at start");
tell.show("data plane: a mapping comes and goes");
touch.show("data plane: first touch of a GiB");
map.show("control thread: map");
unmap.show("control thread: unmap");

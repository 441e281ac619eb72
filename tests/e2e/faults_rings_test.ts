/**
 * What a hostile driver may write into its rings: its own virtqueue is given up, with a reason and
 * a signal on its err descriptor, and nobody else notices.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { FRAME_BYTES_MAX } from "../../lib/virtio/burst.ts";
import { breakRing, PACKED_ATTACKS, SPLIT_ATTACKS } from "../harness/attacks/rings.ts";
import { Siege } from "../harness/siege.ts";
import { until } from "../harness/until.ts";
import { introduce, numberedFrame } from "../harness/traffic.ts";

Deno.test("hostile rings: only the one ring breaks", async (t) => {
  await using siege = await Siege.lay();
  for (const attack of SPLIT_ATTACKS) {
    await t.step(
      `split: ${attack.name}`,
      () => siege.attack(attack.reason, () => breakRing(siege, attack, false)),
    );
  }
  for (const attack of PACKED_ATTACKS) {
    await t.step(
      `packed: ${attack.name}`,
      () => siege.attack(attack.reason, () => breakRing(siege, attack, true)),
    );
  }
});

Deno.test("bad chains that break no rule are dropped, counted and given back", async (t) => {
  await using siege = await Siege.lay();
  for (const isPacked of [false, true]) {
    const word = isPacked ? "packed" : "split";
    const cases: readonly (readonly [string, string, readonly number[]])[] = [
      ["shorter than the header", "rxDroppedMalformed", [11]],
      ["only the header", "rxDroppedMalformed", [12]],
      ["less than an Ethernet header", "rxDroppedMalformed", [12, 13]],
      ["empty", "rxDroppedMalformed", [0]],
      ["empty, of three descriptors", "rxDroppedMalformed", [0, 0, 0]],
      ["4 GiB", "rxDroppedOversize", [0xffffffff]],
      ["2 GiB", "rxDroppedOversize", [0x80000000]],
      ["more than the longest frame", "rxDroppedOversize", [12, FRAME_BYTES_MAX + 1]],
      ["128 times 1 MiB", "rxDroppedOversize", Array<number>(128).fill(0xf0000)],
    ];
    for (const [name, counter, lengths] of cases) {
      await t.step(`${word}: ${name}`, () =>
        siege.attack(null, async () => {
          using guest = await siege.guest({ packed: isPacked, memoryBytes: 4 << 20 });
          const address = guest.ram.take(4096);
          const chain = lengths.map((bytes) => ({ address, bytes }));
          const before = (await siege.port()).counters;
          assert(guest.sendChain(chain));
          // takeUsed throws if the device claims to have written anything.
          await until("the chain to come back", () => guest.reapTransmit() === 1);
          const { counters } = await siege.port();
          assert.equal(counters[counter], (before[counter] ?? 0) + 1);
          assert.equal(counters["rxFrames"], before["rxFrames"]);
          await introduce(guest, siege.witness);
        }));
    }
    await t.step(
      `${word}: a receive buffer too small for one frame stays for the next`,
      () =>
        siege.attack(null, async () => {
          using guest = await siege.guest({
            packed: isPacked,
            mergeable: false,
            bufferPieces: [100],
            buffers: 4,
          });
          await introduce(guest, siege.witness);
          const counters = async (): Promise<Readonly<Record<string, number>>> =>
            (await siege.port()).counters;
          const before = (await counters())["txDroppedBufferTooSmall"] ?? 0;
          for (let i = 0; i < 20; i++) {
            const large = numberedFrame(guest.options.mac, siege.witness.options.mac, i, 89);
            assert(siege.witness.send(large));
          }
          await until(
            "the drops",
            async () => (await counters())["txDroppedBufferTooSmall"] === before + 20,
          );
          assert.deepEqual(guest.receive(), []);
          await introduce(guest, siege.witness);
        }),
    );
  }
});

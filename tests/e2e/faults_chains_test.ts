/**
 * Chains that are no good cost themselves alone: nobody else notices, and the ring goes on.
 *
 * @module
 */
import { RX } from "../../lib/guest/net_guest.ts";
import { BAD_CHAINS, offerBad } from "../harness/attacks/chains.ts";
import { Siege } from "../harness/siege.ts";

for (const packed of [false, true]) {
  const word = packed ? "packed" : "split";
  Deno.test(`bad chains cost themselves alone: ${word}`, async (t) => {
    await using siege = await Siege.lay();
    for (const bad of BAD_CHAINS) {
      const to = bad.ring === RX ? "to receive" : "to send";
      await t.step(
        `${to}: ${bad.name}`,
        () => siege.attack(null, () => offerBad(siege, packed, bad)),
      );
    }
  });
}

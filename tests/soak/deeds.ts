/**
 * What a hostile tenant does, one deed after another: each a way of its own to break, block, flood or
 * empty the switch, and each over when its port takes a good front-end again.
 *
 * @module
 */
import { RX } from "../../lib/guest/net_guest.ts";
import { BAD_CHAINS, offerBad } from "../harness/attacks/chains.ts";
import { breakRing, PACKED_ATTACKS, SPLIT_ATTACKS } from "../harness/attacks/rings.ts";
import type { Deed } from "./deeds/deed.ts";
import { FLOODS } from "./deeds/floods.ts";
import { LOST, SLOW } from "./deeds/memory.ts";
import { MESSAGES } from "./deeds/messages.ts";

const RINGS: readonly Deed[] = [false, true].flatMap((packed) =>
  (packed ? PACKED_ATTACKS : SPLIT_ATTACKS).map((attack) => ({
    name: `${packed ? "packed" : "split"} ring: ${attack.name}`,
    reason: attack.reason,
    run: (siege) => breakRing(siege, attack, packed),
  }))
);

const CHAINS: readonly Deed[] = [false, true].flatMap((packed) =>
  BAD_CHAINS.map((bad) => ({
    name: `${packed ? "packed" : "split"} chain: ${bad.name}, to ${bad.ring === RX ? "RX" : "TX"}`,
    reason: null,
    run: (siege) => offerBad(siege, packed, bad),
  }))
);

/** All of them. */
export const DEEDS: readonly Deed[] = [
  ...[...RINGS, ...CHAINS, ...MESSAGES, ...FLOODS, ...LOST, ...SLOW],
];

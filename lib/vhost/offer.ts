/**
 * What a port offers its front-ends: feature bits by their rows (`features/rows.ts`), queues, and
 * what its configuration space says.
 *
 * @module
 */
import { QUEUE_PAIRS_MAX } from "../base/limits.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { LIMITS } from "../base/port_limits.ts";
import { offeredWord } from "./features/bits.ts";
import { type OfferOptions, PROTOCOL_FEATURES, VIRTIO_FEATURES } from "./features/rows.ts";

/** Features and queues of a port. */
export interface Offer {
  /** Virtio features, a bit each. */
  readonly features: bigint;
  /** Protocol features, a bit each. */
  readonly protocolFeatures: bigint;
  /** 1 to 32. */
  readonly queuePairs: number;
  /** MAC address in the device's configuration space, or null: the front-end's business. */
  readonly mac: Mac | null;
  /** Largest MTU, bytes, or null: no limit of the port's own. */
  readonly mtu: number | null;
  /** Regions of guest memory at most. */
  readonly regionsMax: number;
}

/** The offer of a port with these options. */
export function makeOffer(options: OfferOptions): Offer {
  return {
    features: offeredWord(VIRTIO_FEATURES, options),
    protocolFeatures: offeredWord(PROTOCOL_FEATURES, options),
    queuePairs: options.queuePairs ?? QUEUE_PAIRS_MAX,
    mac: options.mac === undefined ? null : parseMac(options.mac),
    mtu: options.mtu ?? null,
    regionsMax: options.budget?.regions ?? LIMITS.regions.most,
  };
}

/** The offer of a port without options. */
export const DEFAULT_OFFER: Offer = makeOffer({});

/**
 * What a port offers its front-ends. It must stay the same across restarts and versions: QEMU
 * refuses a back-end that lost a bit it once had.
 *
 * @module
 */
import {
  OFFERED_FEATURES,
  OFFERED_PROTOCOL_FEATURES,
  VIRTIO_NET_F_MQ,
} from "../virtio/features.ts";
import { QUEUE_PAIRS_MAX } from "../worker/types.ts";

/** Features and queues of a port. */
export interface Offer {
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** 1-32. */
  readonly queuePairs: number;
}

/** What an operator may choose of it. */
export interface OfferOptions {
  readonly queuePairs?: number | undefined;
}

/** The offer of a port with these options. */
export function makeOffer(options: OfferOptions): Offer {
  const queuePairs = options.queuePairs ?? QUEUE_PAIRS_MAX;
  const without = queuePairs === 1 ? 1n << BigInt(VIRTIO_NET_F_MQ) : 0n;
  return {
    features: OFFERED_FEATURES & ~without,
    protocolFeatures: OFFERED_PROTOCOL_FEATURES,
    queuePairs,
  };
}

/** The offer of a port without options. */
export const DEFAULT_OFFER: Offer = makeOffer({});

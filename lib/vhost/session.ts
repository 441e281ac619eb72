/**
 * A vhost-user session: one connected front-end, from the first message to the last. Its messages
 * go through here and nothing else does: each is held against the header's rules and its row of the
 * table of requests, its handler is called, and what comes of that is put into a reply, an
 * acknowledgement or the end of the connection (vhost-user.rst «Communication»,
 * «VHOST_USER_PROTOCOL_F_REPLY_ACK»). Never throws on what a front-end sends.
 *
 * What the front-end has by then is its {@linkcode Device}, the other half. The way of a message:
 *
 * ```
 * bytes → Session: header, table row, payload decoded → handler (requests/) → Device → SessionHost
 *         Session: reply, ack or end                  ← Result
 * ```
 *
 * Descriptors of a message are the handler's as soon as it is called; until then, and whenever it is
 * not, they are closed here.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { BIT, hasFeature } from "./features/bits.ts";
import { Device } from "./device.ts";
import type { SessionHost } from "./host.ts";
import { DEFAULT_OFFER, type Offer } from "./offer.ts";
import { isRefusal, type Refusal } from "./reasons.ts";
import type { Result } from "./requests/result.ts";
import { type Request, REQUESTS } from "./requests/table.ts";
import {
  encodeMessage,
  encodeU64,
  type Message,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
} from "./wire/message.ts";

/** What a handled message leads to. */
export interface Outcome {
  /** A whole message to send back. */
  readonly reply?: Uint8Array<ArrayBuffer>;
  /** Descriptors to send along, closed after that. */
  readonly fds?: readonly number[];
  /** Close the connection, for this reason. */
  readonly close?: Refusal;
  /** It takes its time. No other message may be handled before. */
  readonly later?: Promise<Outcome>;
}

const REPLY_FLAGS = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
const ACK = 0n;
const NACK = 1n;

/**
 * One front-end's session. Control thread only.
 *
 * @example What a front-end asks first, and what it hears
 * ```ts
 * import { strict as assert } from "node:assert";
 * import type { SessionHost } from "./host.ts";
 * import * as wire from "./wire/message.ts";
 *
 * // A front-end that only asks needs nothing of the host but its log.
 * const host = { log: () => {} } as unknown as SessionHost;
 * const session = new Session(host);
 * const say = (request: number, payload = new Uint8Array(), flags = 0): Outcome =>
 *   session.handle({
 *     request,
 *     flags: wire.VHOST_USER_VERSION | flags,
 *     payload: new DataView(payload.buffer),
 *     fds: [],
 *   });
 *
 * // A request with a reply of its own: a header of 12 bytes and a u64.
 * const { reply } = say(wire.VHOST_USER_GET_FEATURES);
 * assert.equal(new DataView(reply!.buffer).getBigUint64(12, true), session.device.offer.features);
 *
 * // One without: acknowledged only where that was negotiated.
 * const { VHOST_USER_SET_OWNER, VHOST_USER_NEED_REPLY_MASK } = wire;
 * assert.deepEqual(say(VHOST_USER_SET_OWNER, new Uint8Array(), VHOST_USER_NEED_REPLY_MASK), {});
 * say(wire.VHOST_USER_SET_PROTOCOL_FEATURES, wire.encodeU64(0b1000n));
 * const acked = say(VHOST_USER_SET_OWNER, new Uint8Array(), VHOST_USER_NEED_REPLY_MASK);
 * assert.equal(acked.reply?.at(12), 0);
 *
 * // What can be no message ends the connection, with a code of reasons.ts.
 * assert.equal(say(wire.VHOST_USER_SET_VRING_NUM).close?.code, "bad-size");
 * ```
 */
export class Session {
  /** What this front-end has; ends with `close()`. */
  readonly device: Device;

  /**
   * A session before its first message. @param offer must be the same for every front-end of a port
   */
  constructor(host: SessionHost, offer: Offer = DEFAULT_OFFER) {
    this.device = new Device(host, offer);
  }

  /** Handles one message and everything it leads to. Takes its descriptors over. */
  handle(message: Message): Outcome {
    const { device } = this;
    const refusal = checkHeader(message);
    if (refusal) return this.#close(message, refusal);
    const request = REQUESTS.get(message.request);
    if (!request?.decode) return this.#unserved(message, request);
    const misfit = checkShape(message, request);
    if (misfit) return this.#close(message, misfit);
    if (!this.#open(request.gate)) return this.#unserved(message, request);
    const action = request.decode(message.payload, message.fds.length);
    if (isRefusal(action)) return this.#close(message, action);
    const result = action(device, { fds: message.fds, heard: this.#hearsReply(message) });
    device.settle();
    // Asked again: the request may have negotiated just that.
    return this.#outcome(message, request, result, this.#hearsReply(message));
  }

  /** The connection is gone: stops everything and closes every descriptor. Call once. */
  close(): void {
    this.device.close();
  }

  #outcome(message: Message, request: Request, result: Result, heard: boolean): Outcome {
    const number = message.request;
    switch (result.kind) {
      case "done":
        return heard ? reply(number, encodeU64(ACK)) : {};
      case "reply":
        assert(request.replies, `${request.name} has no reply of its own`);
        return result.fds.length === 0
          ? reply(number, result.payload)
          : { ...reply(number, result.payload), fds: result.fds };
      case "later":
        return { later: result.payload.then((payload) => reply(number, payload)) };
      case "ends":
        return { close: result.refusal };
      case "failed":
        // Whoever waits for an answer of its own kind cannot be told otherwise.
        if (request.replies && !heard) return { close: result.refusal };
        this.device.host.refused("refused", {
          ...result.refusal,
          detail: `${request.name} refused: ${result.refusal.detail}`,
        });
        return heard ? reply(number, encodeU64(NACK)) : {};
    }
  }

  #open(gate: number | null): boolean {
    return gate === null || hasFeature(this.device.protocolFeatures, gate);
  }

  /**
   * A request that is unknown or was not negotiated: an error if it asks for one, negotiated or
   * not, because the alternative is to end the connection. A reply of its own cannot be made up.
   */
  #unserved(message: Message, request: Request | undefined): Outcome {
    const detail = `request ${message.request}${request ? ` (${request.name})` : ""}`;
    const code = request ? "not-negotiated" : "unknown-request";
    if (request?.replies || (message.flags & VHOST_USER_NEED_REPLY_MASK) === 0) {
      return this.#close(message, { code, detail });
    }
    this.device.closeFds(message.fds);
    this.device.host.refused(code, { code, detail: `${detail} refused` });
    return reply(message.request, encodeU64(NACK));
  }

  #close(message: Message, refusal: Refusal): Outcome {
    this.device.closeFds(message.fds);
    return { close: refusal };
  }

  /**
   * Whether the front-end is told what became of a request without a reply of its own
   * (vhost-user.rst «VHOST_USER_PROTOCOL_F_REPLY_ACK»: the flag means nothing without it).
   */
  #hearsReply(message: Message): boolean {
    return (message.flags & VHOST_USER_NEED_REPLY_MASK) !== 0 &&
      this.#open(BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK);
  }
}

function reply(request: number, payload: Uint8Array): Outcome {
  return { reply: encodeMessage(request, REPLY_FLAGS, payload) };
}

/** What is wrong with a message's header, or null. */
function checkHeader(message: Message): Refusal | null {
  if ((message.flags & VHOST_USER_VERSION_MASK) !== VHOST_USER_VERSION) {
    return { code: "bad-version", detail: `flags 0x${message.flags.toString(16)}` };
  }
  if ((message.flags & VHOST_USER_REPLY_MASK) === 0) return null;
  return { code: "unexpected-reply", detail: `request ${message.request}` };
}

/** What is wrong with a message's length or descriptors, or null. */
function checkShape(message: Message, request: Request): Refusal | null {
  const bytes = message.payload.byteLength;
  if (bytes < request.bytesMin || bytes > request.bytesMax) {
    return { code: "bad-size", detail: `${request.name} with ${bytes} bytes` };
  }
  if (message.fds.length <= request.fdsMax) return null;
  return { code: "fd-count", detail: `${request.name} with ${message.fds.length} descriptors` };
}

/**
 * A session with a fake host, from its first message to the look that nothing is left of it.
 *
 * @module
 */
import type { OfferOptions } from "../../../lib/vhost/features/rows.ts";
import { makeOffer } from "../../../lib/vhost/offer.ts";
import { Session } from "../../../lib/vhost/session.ts";
import {
  VHOST_USER_SET_BACKEND_REQ_FD,
  VHOST_USER_SET_PROTOCOL_FEATURES,
} from "../../../lib/vhost/wire/message.ts";
import { accept, FakeHost, finish, message, words } from "./fake_host.ts";

/** What tests of one part of the protocol begin with; each adds words of its own. */
export class SessionBench {
  readonly host = new FakeHost();
  readonly session: Session;

  /** @param options of the port, as an operator gives them */
  constructor(options: OfferOptions = {}) {
    this.session = new Session(this.host, makeOffer(options));
  }

  /** Negotiates every protocol feature but these. */
  connect(without = 0n): this {
    const protocol = this.session.device.offer.protocolFeatures & ~without;
    accept(this.session, message(VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol)));
    return this;
  }

  /** Gives the session its back-end channel. */
  channel(): this {
    const fd = this.host.fd("socket");
    accept(this.session, message(VHOST_USER_SET_BACKEND_REQ_FD, undefined, [fd]));
    return this;
  }

  /** Ends the session: every descriptor is closed, and nothing runs. */
  end(): void {
    finish(this.session, this.host);
  }
}

/**
 * The back-end channel of one connection: none at first, then that of the last SET_BACKEND_REQ_FD
 * (vhost-user.rst «VHOST_USER_SET_BACKEND_REQ_FD»), until the front-end closes it.
 *
 * @module
 */
import type { Refusal } from "../../vhost/reasons.ts";
import type { BackEndMessage } from "../../vhost/wire/back_end_message.ts";
import type { Reactor } from "../reactor.ts";
import { type Answered, BackEndChannel } from "./back_end_channel.ts";

/** What the link needs of its port. */
export interface BackEndLinkHost {
  /** The front-end misuses its channel: its connection is to end, which closes the link. */
  failed(refusal: Refusal): void;
  /** Closes a descriptor of the tenant's. */
  closeFd(fd: number): void;
  /** Logs with the port's name. */
  log(level: "debug", event: string, message: string): void;
}

/** The way to one front-end, if there is one. Control thread only; close it. */
export class BackEndLink {
  readonly #reactor: Reactor;
  readonly #host: BackEndLinkHost;
  #channel: BackEndChannel | null = null;

  /** Without a channel. */
  constructor(reactor: Reactor, host: BackEndLinkHost) {
    this.#reactor = reactor;
    this.#host = host;
  }

  /** Whether there is a channel. */
  get isOpen(): boolean {
    return this.#channel !== null;
  }

  /** Takes a socket over, in place of an earlier one, which is closed. */
  open(fd: number): void {
    this.close();
    const { closeFd, failed, log } = this.#host;
    this.#channel = new BackEndChannel(fd, this.#reactor, {
      gone: () => {
        this.#channel = null;
        log("debug", "back-end-channel", "the front-end closed its back-end channel");
      },
      failed,
      closeFd,
    });
  }

  /** As {@linkcode BackEndChannel.send}. @returns false also if there is no channel */
  send(message: BackEndMessage, answered?: Answered): boolean {
    return this.#channel?.send(message, answered) ?? false;
  }

  /** Closes the channel, if there is one. */
  close(): void {
    this.#channel?.close();
    this.#channel = null;
  }
}

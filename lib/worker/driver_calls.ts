/**
 * How the data plane calls drivers: by their eventfds, their sockets, or messages. None of it blocks.
 * Where the kernel has no asynchronous I/O, or a filter of system calls denies it, an eventfd is
 * written to: its owner may have filled it and made it blocking, and stuck_calls.ts frees us then.
 *
 * @module
 */
import { Caller, send, signalEventFd } from "../../ffi/mod.ts";
import { VRINGS_PER_PORT } from "../base/limits.ts";
import type { Vring } from "../switch/ports/vring.ts";
import type { InBandCalls } from "./in_band_calls.ts";
import type { Mailbox } from "./mailbox.ts";
import { IN_BAND } from "./wire.ts";

/** The value of a call that goes to a socket (User-Mode Linux): 8 bytes, like an eventfd's. */
const SOCKET_CALL = new Uint8Array(new BigUint64Array([1n]).buffer);

/** The calls of one data plane. Its thread only; nothing here allocates or blocks per call. */
export class DriverCalls {
  readonly #mailbox: Mailbox;
  readonly #eventFd: number;
  readonly #inBand: InBandCalls;
  readonly #caller: Caller | null = Caller.open();

  /**
   * Calls nobody yet.
   * @param mailbox where a write that may block is announced
   * @param eventFd tells the control thread to look at calls again
   * @param inBand calls by messages
   */
  constructor(mailbox: Mailbox, eventFd: number, inBand: InBandCalls) {
    this.#mailbox = mailbox;
    this.#eventFd = eventFd;
    this.#inBand = inBand;
  }

  /** The driver of a virtqueue that can be called finds its buffers used. */
  call(vring: Vring): void {
    const { callFd } = vring;
    if (callFd === IN_BAND) this.#inBand.call(vring);
    else if (vring.callIsSocket) send(callFd, SOCKET_CALL);
    else if (this.#caller === null || !this.#caller.call(callFd)) this.#write(vring);
  }

  #write(vring: Vring): void {
    const unwatched = this.#mailbox.enterCall(vring.port.index * VRINGS_PER_PORT + vring.number);
    if (unwatched) signalEventFd(this.#eventFd);
    signalEventFd(vring.callFd);
    this.#mailbox.leaveCall();
  }

  /** Gives back what it has: there must be no call after it. */
  close(): void {
    this.#caller?.close();
  }
}

/**
 * What a port asks its front-end's IOMMU for, and that it is asked again while somebody waits:
 * a question may be lost, and the guest's frames may not.
 *
 * @module
 */
import { VHOST_ACCESS_RW } from "../../vhost/wire/back_end_message.ts";
import { IOTLB_PAGE_BYTES } from "../../virtio/memory/iotlb.ts";

/**
 * Time between two looks for what still waits, and the first pause before a question about a ring
 * is repeated, ms.
 */
const AGAIN_MS = 100;
/** Longest time between two questions for the same page, ms. */
const AGAIN_MS_MAX = 1600;
/** Questions about rings remembered. */
const ASKED_MAX = 4096;

/** What the requests need from their port. */
export interface IotlbQuestionsHost {
  /**
   * Sends a miss.
   * @param page its first address @param permission VHOST_ACCESS_ bits @param again asked before
   */
  ask(page: number, permission: number, again: boolean): void;
  /** Has everything asked for that somebody waits for. @returns whether that is anything */
  again(): boolean;
}

interface Asked {
  readonly atMs: number;
  /** How long not to repeat it, ms. */
  readonly pauseMs: number;
}

/** The open questions of one front-end. Control thread only; close it. */
export class IotlbQuestions {
  readonly #host: IotlbQuestionsHost;
  /** Questions about rings, by page. */
  readonly #asked = new Map<number, Asked>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is asked yet. */
  constructor(host: IotlbQuestionsHost) {
    this.#host = host;
  }

  /** The data plane misses a page. @param again it told so before */
  miss(page: number, permission: number, again: boolean): void {
    this.#host.ask(page, permission, again);
    this.#startTimer();
  }

  /** A page of a ring is missing. */
  ring(page: number): void {
    const now = performance.now();
    const asked = this.#asked.get(page);
    this.#startTimer();
    if (asked && now - asked.atMs < asked.pauseMs) return;
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear();
    const pauseMs = asked ? Math.min(AGAIN_MS_MAX, 2 * asked.pauseMs) : AGAIN_MS;
    this.#asked.set(page, { atMs: now, pauseMs });
    this.#host.ask(page, VHOST_ACCESS_RW, asked !== undefined);
  }

  /** A range was translated or invalidated: if it is missing again, that is to be asked at once. */
  answered(iova: number, sizeBytes: number): void {
    const first = iova - iova % IOTLB_PAGE_BYTES;
    for (const page of this.#asked.keys()) {
      if (page >= first && page < iova + sizeBytes) this.#asked.delete(page);
    }
  }

  #startTimer(): void {
    this.#timer ??= setTimeout(() => this.#again(), AGAIN_MS);
  }

  #again(): void {
    this.#timer = undefined;
    if (this.#host.again()) this.#startTimer();
  }

  /** Asks no more, and forgets what was asked. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asked.clear();
  }
}

/**
 * What happened at a port and when: connections, its link, and what went wrong.
 *
 * @module
 */
import type { Refusal } from "../../vhost/reasons.ts";
import type { PortStatus } from "../types.ts";

/** The history of one port. Times are ISO 8601 in UTC. Control thread only. */
export class PortHistory {
  /** Front-ends that came since the port was added. */
  connects = 0;
  /** When the one that is there came, or null. */
  connectedAt: string | null = null;
  /** When the link last changed, or the front-end came or went. */
  linkSince: string = now();
  /** What went wrong last. */
  lastError: PortStatus["lastError"] = null;
  /** What the front-end that is there, or was last, was refused last, for people. */
  refusal: string | null = null;
  readonly #errors = new Map<string, number>();

  /** A front-end came. */
  connected(): void {
    this.connects++;
    this.refusal = null;
    this.connectedAt = now();
    this.linkSince = this.connectedAt;
  }

  /** The front-end is gone. */
  disconnected(): void {
    // A connection that never said anything did not count as a front-end.
    if (this.connectedAt === null) return;
    this.connectedAt = null;
    this.linkSince = now();
  }

  /** The link went up or down. */
  linkChanged(): void {
    this.linkSince = now();
  }

  /** Something went wrong. @param detail for people */
  failed(code: string, detail: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    this.lastError = { code, detail, at: now() };
  }

  /** A request was answered with a failure; the front-end stays. */
  refused({ code, detail }: Refusal): void {
    this.failed(code, detail);
    this.refusal = detail;
  }

  /** How often it went wrong, by reason code. */
  get errors(): Record<string, number> {
    return Object.fromEntries(this.#errors);
  }

  /** What of it operators see, whatever is behind the port. */
  get status(): Pick<
    PortStatus,
    "connects" | "connectedAt" | "linkSince" | "lastError" | "errors"
  > {
    const { connects, connectedAt, linkSince, lastError, errors } = this;
    return { connects, connectedAt, linkSince, lastError, errors };
  }
}

/** The time, ISO 8601 in UTC. */
export function now(): string {
  return new Date().toISOString();
}

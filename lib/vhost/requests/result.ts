/**
 * What becomes of a request: one of five things, each made by its own function here.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { ReasonCode, Refusal } from "../reasons.ts";

/** What a handler made of a request. */
export type Result =
  /** Done; acknowledged if that was negotiated and asked for. */
  | { readonly kind: "done" }
  /** Answered with this payload. Whoever sends it closes the descriptors after that. */
  | { readonly kind: "reply"; readonly payload: Uint8Array; readonly fds: readonly number[] }
  /** Answered with this payload later; no other request is handled before. */
  | { readonly kind: "later"; readonly payload: Promise<Uint8Array> }
  /** Answered with a failure, and the session goes on, if the front-end can hear that. */
  | { readonly kind: "failed"; readonly refusal: Refusal }
  /** The connection ends. */
  | { readonly kind: "ends"; readonly refusal: Refusal };

/** What comes with a request besides its payload. */
export interface Call {
  /** Descriptors, which the handler takes over. */
  readonly fds: readonly number[];
  /** The front-end is told whether a request without a reply of its own went well. */
  readonly heard: boolean;
}

/** Carries out a request whose payload was read. */
export type Handler<T extends object> = (device: Device, args: T, call: Call) => Result;

/** A request whose payload was read, to be carried out once. */
export type Action = (device: Device, call: Call) => Result;

/** Carried out, without a reply of its own. */
export const DONE: Result = { kind: "done" };

/** Answers with a payload, and descriptors that are closed once they are sent. */
export function reply(payload: Uint8Array, fds: readonly number[] = []): Result {
  return { kind: "reply", payload, fds };
}

/** Answers with a payload once there is one. */
export function later(payload: Promise<Uint8Array>): Result {
  return { kind: "later", payload };
}

/** Refuses; the session goes on if the front-end can be told. */
export function failed(refusal: Refusal): Result {
  return { kind: "failed", refusal };
}

/** Refuses and ends the connection. */
export function ends(code: ReasonCode, detail: string): Result {
  return { kind: "ends", refusal: { code, detail } };
}

/** Ends the connection if there is a refusal, else {@linkcode DONE}. */
export function endsIf(refusal: Refusal | null): Result {
  return refusal === null ? DONE : { kind: "ends", refusal };
}

/**
 * How values are written as float64 numbers, the one kind of number that two threads can share and
 * that holds host addresses (below 2^47) and guest addresses (below 2^53) as they are.
 *
 * A field knows a value's type, its range and its numbers. Whoever writes has its values checked: a
 * value out of range is a bug of ours, found where it was made. Whoever reads gets what was written.
 *
 * @module
 */
import { assert, present } from "../base/assert.ts";

/** Numbers that are written, or read, one after the other. */
export class Numbers {
  readonly #array: Float64Array;
  #at = 0;

  /** Begins at the first number. @param array shared with the other side, or not */
  constructor(array: Float64Array) {
    this.#array = array;
  }

  /** Writes the next number. @throws {AssertionError} there is no room */
  put(number: number): void {
    assert(this.#at < this.#array.length, `There is no room for more than ${this.#at} numbers`);
    this.#array[this.#at++] = number;
  }

  /** Reads the next number. @throws {AssertionError} there is none */
  take(): number {
    return present(this.#array[this.#at++], "the next number");
  }
}

/** What a field holds, for whoever makes values or describes them. */
export type Kind =
  | { readonly name: "whole"; readonly min: number; readonly max: number }
  | { readonly name: "flag" }
  | { readonly name: "choice"; readonly words: readonly string[] }
  | { readonly name: "maybe"; readonly of: Kind }
  | { readonly name: "list"; readonly of: Kind; readonly countMax: number }
  | { readonly name: "record"; readonly of: Readonly<Record<string, Kind>> }
  | { readonly name: "nothing" };

/** One kind of value. */
export interface Field<T> {
  /** For whoever makes up values or describes them. */
  readonly kind: Kind;
  /** Most numbers that a value takes. */
  readonly numbersMax: number;
  /**
   * Writes a value. @param name of the value, for the message @throws {AssertionError} out of range
   */
  write(value: T, to: Numbers, name: string): void;
  /** Reads what `write` wrote. */
  read(from: Numbers): T;
}

/** Fields by name. */
// deno-lint-ignore no-explicit-any
export type Shape = Readonly<Record<string, Field<any>>>;

/** What a field holds. */
export type Value<F> = F extends Field<infer T> ? T : never;

/** What a shape holds. */
export type Values<S extends Shape> = { readonly [K in keyof S]: Value<S[K]> };

/** A whole number, `min` to `max`. */
export function whole(min: number, max: number): Field<number> {
  return {
    kind: { name: "whole", min, max },
    numbersMax: 1,
    write: (value, to, name) => {
      const fits = Number.isInteger(value) && value >= min && value <= max;
      assert(fits, `${name} is ${value}, not a whole number from ${min} to ${max}`);
      to.put(value);
    },
    read: (from) => from.take(),
  };
}

/** Yes or no, written as 1 or 0. */
export const flag: Field<boolean> = {
  kind: { name: "flag" },
  numbersMax: 1,
  write: (value, to) => to.put(value ? 1 : 0),
  read: (from) => from.take() === 1,
};

/** One of some words. */
export function choice<const T extends string>(...words: readonly T[]): Field<T> {
  return {
    kind: { name: "choice", words },
    numbersMax: 1,
    write: (value, to, name) => {
      const index = words.indexOf(value);
      assert(index >= 0, `${name} is ${value}, not one of ${words.join()}`);
      to.put(index);
    },
    read: (from) => present(words[from.take()], "a word"),
  };
}

/** A value, or null. */
export function maybe<T>(field: Field<T>): Field<T | null> {
  return {
    kind: { name: "maybe", of: field.kind },
    numbersMax: 1 + field.numbersMax,
    write: (value, to, name) => {
      flag.write(value !== null, to, name);
      if (value !== null) field.write(value, to, name);
    },
    read: (from) => flag.read(from) ? field.read(from) : null,
  };
}

/** `countMax` values of a kind at most. */
export function list<T>(field: Field<T>, countMax: number): Field<readonly T[]> {
  const count = whole(0, countMax);
  return {
    kind: { name: "list", of: field.kind, countMax },
    numbersMax: 1 + countMax * field.numbersMax,
    write: (values, to, name) => {
      count.write(values.length, to, `number of ${name}`);
      for (const value of values) field.write(value, to, name);
    },
    read: (from) => Array.from({ length: count.read(from) }, () => field.read(from)),
  };
}

/** Several values by name, in the order of the shape. */
export function record<S extends Shape>(shape: S): Field<Values<S>> {
  const fields = Object.entries(shape);
  return {
    kind: {
      name: "record",
      of: Object.fromEntries(fields.map(([key, field]) => [key, field.kind])),
    },
    numbersMax: fields.reduce((sum, [, field]) => sum + field.numbersMax, 0),
    write: (values, to, name) => {
      for (const [key, field] of fields) field.write(values[key], to, `${key} of ${name}`);
    },
    read: (from) =>
      Object.fromEntries(fields.map(([key, field]) => [key, field.read(from)])) as Values<S>,
  };
}

/** No value, written as no number. */
export const nothing: Field<void> = {
  kind: { name: "nothing" },
  numbersMax: 0,
  write: () => {},
  read: () => {},
};

/** What a command is given and answers; see wire.ts. */
export interface CommandRow<S extends Shape, R> {
  /** In the order in which it is written. */
  readonly given: Field<Values<S>>;
  /** Likewise. */
  readonly result: Field<R>;
}

/** A command that answers nothing. */
export function command<S extends Shape>(shape: S): CommandRow<S, void>;
/** One that answers a result. */
export function command<S extends Shape, R>(shape: S, result: Field<R>): CommandRow<S, R>;
export function command<S extends Shape>(
  shape: S,
  result: Field<unknown> = nothing,
): CommandRow<S, unknown> {
  return { given: record(shape), result };
}

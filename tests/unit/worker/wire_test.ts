/** The wire between the threads: what is written is read, and what is out of range is not written. */
import { strict as assert } from "node:assert";
import { PORT_COUNTERS } from "../../../lib/switch/counters.ts";
import fc from "fast-check";
import { type Field, type Kind, Numbers, whole } from "../../../lib/worker/fields.ts";
import { createMailbox, Mailbox } from "../../../lib/worker/mailbox.ts";
import {
  type Command,
  CommandFailed,
  commandOf,
  COMMANDS,
  GIVEN_NUMBERS_MAX,
  numberOf,
  RESULT_NUMBERS_MAX,
} from "../../../lib/worker/wire.ts";

const NAMES = Object.keys(COMMANDS) as Command[];

/** Values of a kind, its borders often. */
function values(kind: Kind): fc.Arbitrary<unknown> {
  switch (kind.name) {
    case "whole":
      return wholeNumbers(kind.min, kind.max);
    case "flag":
      return fc.boolean();
    case "choice":
      return fc.constantFrom(...kind.words);
    case "maybe":
      return fc.option(values(kind.of));
    case "list":
      return fc.array(values(kind.of), { maxLength: Math.min(kind.countMax, 20) });
    case "record":
      return fc.record(
        Object.fromEntries(Object.entries(kind.of).map(([key, of]) => [key, values(of)])),
        { noNullPrototype: true },
      );
    case "nothing":
      return fc.constant(undefined);
  }
}

function wholeNumbers(min: number, max: number): fc.Arbitrary<number> {
  const inside = fc.integer({
    min: Math.max(min, Number.MIN_SAFE_INTEGER),
    max: Math.min(max, Number.MAX_SAFE_INTEGER),
  });
  return fc.oneof(fc.constantFrom(min, max), inside);
}

function there(field: Field<unknown>, value: unknown): unknown {
  // Twice what may be needed: not a number more may be written.
  const numbers = new Float64Array(2 * field.numbersMax + 1).fill(-77);
  field.write(value, new Numbers(numbers), "it");
  assert(numbers.subarray(field.numbersMax).every((number) => number === -77));
  return field.read(new Numbers(numbers));
}

Deno.test("every command's values go over the wire as they are", () => {
  for (const name of NAMES) {
    for (const field of [COMMANDS[name].given, COMMANDS[name].result] as Field<unknown>[]) {
      fc.assert(
        fc.property(values(field.kind), (value) => assert.deepEqual(there(field, value), value)),
        { numRuns: 100 },
      );
    }
  }
});

Deno.test("the longest values have their room", () => {
  function longest(kind: Kind): unknown {
    if (kind.name === "whole") return kind.max;
    if (kind.name === "flag") return true;
    if (kind.name === "choice") return kind.words.at(-1);
    if (kind.name === "maybe") return longest(kind.of);
    if (kind.name === "list") return Array.from({ length: kind.countMax }, () => longest(kind.of));
    if (kind.name === "nothing") return undefined;
    return Object.fromEntries(Object.entries(kind.of).map(([key, of]) => [key, longest(of)]));
  }
  for (const name of NAMES) {
    const given = COMMANDS[name].given as Field<unknown>;
    const { result } = COMMANDS[name];
    assert(given.numbersMax <= GIVEN_NUMBERS_MAX, name);
    assert(result.numbersMax <= RESULT_NUMBERS_MAX, name);
    assert.deepEqual(there(given, longest(given.kind)), longest(given.kind));
  }
});

Deno.test("a value out of range is found where it is made, and named", () => {
  const field = COMMANDS.startVring.given;
  const numbers = (): Numbers => new Numbers(new Float64Array(field.numbersMax));
  const good = { port: 0, vring: 1 };
  for (
    const [value, text] of [
      [{ ...good, port: 256 }, /port of startVring is 256, not a whole number from 0 to 255/],
      [{ ...good, vring: -1 }, /vring of startVring is -1/],
      [{ ...good, start: { size: 0.5 } }, /size of start of startVring is 0.5/],
      [{ ...good, start: { size: NaN } }, /size of start of startVring is NaN/],
    ] as const
  ) {
    assert.throws(() => field.write(value as never, numbers(), "startVring"), text);
  }
  const counts = new Array<number>(PORT_COUNTERS.length + 1).fill(1);
  const many = { port: 0, counts };
  assert.throws(
    () => COMMANDS.addPortCounters.given.write(many, numbers(), "addPortCounters"),
    new RegExp(`number of counts of addPortCounters is ${counts.length}`),
  );
  assert.throws(() => whole(0, 1).write(1, new Numbers(new Float64Array(0)), "it"), /no room/);
  assert.throws(
    () => COMMANDS.setReserved.given.read(new Numbers(new Float64Array(1))),
    /next number/,
  );
});

Deno.test("a command has one number", () => {
  assert.equal(new Set(NAMES.map(numberOf)).size, NAMES.length);
  for (const name of NAMES) assert.equal(commandOf(numberOf(name)), name);
  assert.throws(() => commandOf(NAMES.length), /is in the table/);
});

/** A mailbox whose other side answers at once, as the data plane does on its own thread. */
function answering(answer: (mailbox: Mailbox) => void): Mailbox {
  const memory = createMailbox();
  const other = new Mailbox(memory);
  // A sleeping data plane is woken before it is waited for.
  other.setSleeping(true);
  const mine = new Mailbox(memory);
  const call = mine.call.bind(mine);
  mine.call = (command, given, _wake, look) => call(command, given, () => answer(other), look);
  return mine;
}

Deno.test("a failed command says why; a broken invariant of ours is another matter", () => {
  const say = (mailbox: Mailbox): void =>
    mailbox.call("setFrameMax", { port: 1, frameBytesMax: 60 }, () => {}, () => {});
  say(answering((other) => other.answerDone()));
  const why = "no more memory: Ä".padEnd(2000, "Ä");
  assert.throws(
    () => say(answering((other) => other.answerFailed(why, false))),
    (error: Error) => {
      assert(error instanceof CommandFailed);
      assert.match(
        error.message,
        /^the data plane cannot carry out setFrameMax: no more memory: Ä/,
      );
      return true;
    },
  );
  assert.throws(
    () => say(answering((other) => other.answerFailed("a bug", true))),
    (error: Error) => error.name === "AssertionError" && /setFrameMax: a bug$/.test(error.message),
  );
});

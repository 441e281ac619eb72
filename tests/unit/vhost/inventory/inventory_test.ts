/**
 * The list of messages and feature bits says what is so: it has all that the specification has, it
 * agrees with the session's own tables, and the tests it names exist. Whoever serves a new message
 * or offers a new bit is told here which row to write.
 */
import { strict as assert } from "node:assert";
import * as backEnd from "../../../../lib/vhost/wire/back_end_message.ts";
import {
  type Entry,
  type EntryKind,
  inventory,
} from "../../../../lib/vhost/inventory/inventory.ts";
import { hasFeature } from "../../../../lib/vhost/features/bits.ts";
import {
  type FeatureRows,
  PROTOCOL_FEATURES,
  VIRTIO_FEATURES,
} from "../../../../lib/vhost/features/rows.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { REQUESTS } from "../../../../lib/vhost/requests/table.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { FakeHost, message, replyU64 } from "../fake_host.ts";

const ROOT = new URL("../../../../", import.meta.url);
const entries = inventory();
const FEATURES: FeatureRows = { ...VIRTIO_FEATURES, ...PROTOCOL_FEATURES };

function of(kind: EntryKind): Entry[] {
  return entries.filter((entry) => entry.kind === kind);
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

Deno.test("the list has every message and bit of the specifications, once", () => {
  const numbers = (kind: EntryKind): number[] => of(kind).map(({ number }) => number);
  assert.deepEqual(numbers("front-end message"), span(1, 45));
  assert.deepEqual(numbers("back-end message"), span(1, 10));
  assert.deepEqual(numbers("protocol feature"), span(0, 23));
  // virtio-v1.3 §5.1.3, §6; vhost-user.rst: bits 26 and 30. Those beyond 63 do not fit a message.
  assert.deepEqual(numbers("virtio feature"), [
    ...[...span(0, 3), ...span(5, 24), ...span(26, 30), ...span(32, 41), 43],
    ...[...span(50, 57), ...span(59, 63)],
  ]);
  const names = entries.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("the list has every message of the code under its own name and number", () => {
  const known = new Map(entries.map(({ name, number }) => [name, number]));
  for (const [name, value] of Object.entries(backEnd)) {
    if (/^VHOST_USER_BACKEND_/.test(name)) assert.equal(known.get(name), value, name);
  }
  for (const [number, { name }] of REQUESTS) {
    assert.equal(known.get(`VHOST_USER_${name}`), number);
    assert.equal(Object.entries(id).find(([key]) => key === `VHOST_USER_${name}`)?.[1], number);
  }
});

/** Options of a port that change what it offers, once each. */
const CHOICES = new Map(
  Object.values(FEATURES).flatMap((row) =>
    row.offered === "option" ? [[row.option, row.example] as const] : []
  ),
);

Deno.test("what the list says is offered is what a session offers, option by option", () => {
  const word = (request: number, options: Parameters<typeof makeOffer>[0]): bigint => {
    const session = new Session(new FakeHost(), makeOffer(options));
    return replyU64(session.handle(message(request)), request);
  };
  const all: readonly (readonly [string | null, Parameters<typeof makeOffer>[0]])[] = [
    [null, {}],
    ...CHOICES,
  ];
  for (const [option, options] of all) {
    for (
      const [kind, request] of [
        ["virtio feature", id.VHOST_USER_GET_FEATURES],
        ["protocol feature", id.VHOST_USER_GET_PROTOCOL_FEATURES],
      ] as const
    ) {
      const offered = word(request, options);
      for (let bit = 0; bit < 64; bit++) {
        const entry = of(kind).find(({ number }) => number === bit);
        const listed = entry?.status === "implemented" || (option ?? 0) === entry?.option;
        const name = entry?.name ?? `bit ${bit}`;
        if (hasFeature(offered, bit) || option === null) {
          assert.equal(listed, hasFeature(offered, bit), `${name} with ${option ?? "no option"}`);
        }
      }
    }
  }
});

Deno.test("a message is implemented if it has a handler and can be negotiated", () => {
  for (const { name, number, status, requires } of of("front-end message")) {
    const request = REQUESTS.get(number);
    assert.equal(status !== "not-offered", request?.decode !== null, `${name}: handler and offer`);
    if (requires === null) continue;
    const feature = entries.find((entry) => entry.name === requires);
    assert.equal(feature?.status, status, `${name} and ${requires}`);
  }
});

Deno.test("what not every port offers has a reason, and nothing else has", () => {
  for (const { name, status, reason } of entries) {
    if (status === "implemented") assert.equal(reason, null, `${name} is offered and has a reason`);
    else assert(reason, `${name} needs a reason in its row`);
  }
});

Deno.test("what is offered has a test of its own, and each test that is named exists", async () => {
  for (const { name, tests, status, kind } of entries) {
    assert(tests.length > 0 || (kind === "back-end message" && status === "not-offered"), name);
    for (const test of tests) {
      assert.match(test.file, /_test\.ts$/);
      const text = await Deno.readTextFile(new URL(test.file, ROOT));
      const quoted = ['"', "`"].some((quote) => text.includes(`${quote}${test.name}`));
      assert(quoted, `${name}: ${test.file} has no test "${test.name}"`);
    }
  }
});

/** What a port that has a front-end and no link says first: what that front-end was refused. */
import { strict as assert } from "node:assert";
import { PortHistory } from "../../../../lib/control/vhost_port/history.ts";
import { portVerdict } from "../../../../lib/control/vhost_port/verdict.ts";

const DOWN = {
  ...{ name: "vm1", admin: "up", link: "down", problems: [], memory: [] },
} as unknown as Parameters<typeof portVerdict>[0];

Deno.test("a refusal is counted, and is the verdict until the next front-end comes", () => {
  const history = new PortHistory();
  const verdict = (): string => portVerdict(DOWN, [], history.refusal).split(": ").slice(1).join();
  history.connected();
  assert.equal(verdict(), "its driver has not started");
  history.refused({ code: "bad-mtu", detail: "NET_SET_MTU refused" });
  // Somebody else's knock says nothing about this front-end.
  history.failed("busy", "another front-end knocked");
  assert.equal(verdict(), "NET_SET_MTU refused");
  assert.deepEqual(history.errors, { "bad-mtu": 1, busy: 1 });
  history.disconnected();
  history.connected();
  assert.equal(verdict(), "its driver has not started");
});

const AT = "2026-01-01T00:00:00.000Z";
const LATER = "2026-01-01T00:00:01.000Z";
type Port = Parameters<typeof portVerdict>[0];
type Problem = Port["problems"][number];

/** A port that waits, but for what is said of it. */
function portWith(more: Partial<Port>): Port {
  const port = {
    ...{ name: "vm1", admin: "up", link: "wait", problems: [], memory: [], counters: {} },
    ...{ retry: null, lastError: null, linkSince: AT, connects: 0 },
  };
  return { ...port, ...more } as unknown as Port;
}

const gone: Problem = { code: "socket-gone", text: "socket was removed", hint: "wait" };
const closing: Problem = { code: "closing", text: "the last one is ending", hint: "wait a second" };
const other: Problem = {
  code: "memory-not-shared",
  text: "memory is not shared",
  hint: "share=on",
};
const error = { code: "bad-size", detail: "a message was too short", at: LATER };
const region = {} as Port["memory"][number];

/** States from what comes first to what comes last, and what is said of each. */
const VERDICTS: readonly [Partial<Port>, string][] = [
  [{ admin: "down", problems: [gone] }, "down by operator: vuswitch port up vm1 puts it back"],
  [{ problems: [closing, gone] }, "no front-end can come: socket was removed: wait"],
  [{ problems: [closing] }, "no front-end is taken: the last one is ending: wait a second"],
  [
    { retry: { reason: "no such socket", afterMs: 1500 } as Port["retry"], lastError: error },
    "waiting to connect: no such socket, next try in 1.5 s",
  ],
  [{ lastError: error }, "waiting for a front-end: a message was too short"],
  [
    { lastError: error, linkSince: "2026-01-01T00:00:02.000Z", connects: 1 },
    "waiting for a front-end: none is connected since 2026-01-01T00:00:02.000Z",
  ],
  [{}, `waiting for a front-end: nobody has connected since ${AT}`],
  // What is wrong with memory is the cause of a ring that stopped, and of a link that is down.
  [{ link: "up", problems: [other] }, "memory is not shared: share=on"],
  [{ link: "down", problems: [{ ...other, hint: null }] }, "memory is not shared"],
  [
    { link: "down" },
    "front-end connected, guest memory not shared yet: its driver has not started",
  ],
  [
    { link: "down", memory: [region] },
    "front-end connected, virtqueues not running: its driver has not started",
  ],
  [
    { link: "up", counters: { txDroppedNoBuffer: 7, rxFrames: 1 } },
    "link up; the guest was short of receive buffers: 7 frames to it dropped",
  ],
  [{ link: "up", counters: { rxFrames: 1 } }, "link up, frames flow"],
  [{ link: "up", counters: { txFrames: 1 } }, "link up, frames flow"],
  [{ link: "up" }, "link up, no frames yet"],
];

Deno.test("a verdict says first what an operator wants to know first", () => {
  for (const [port, verdict] of VERDICTS) {
    assert.equal(portVerdict(portWith(port), [], null), verdict);
  }
  const broken = [{ index: 3, error: "avail-jump" }, { index: 1, error: "bad-address" }];
  for (const link of ["up", "down"] as const) {
    assert.equal(portVerdict(portWith({ link }), broken, "refused"), "vring 3 stopped: avail-jump");
  }
  assert.equal(
    portVerdict(portWith({ link: "up", problems: [other] }), broken, null),
    VERDICTS[7]?.[1],
  );
});

Deno.test("a connection that said nothing changes no time; one that leaves does", () => {
  const history = new PortHistory();
  history.linkSince = AT;
  history.disconnected();
  assert.deepEqual([history.linkSince, history.connects], [AT, 0]);
  history.connected();
  assert.deepEqual([history.connects, history.linkSince], [1, history.connectedAt]);
  history.linkSince = AT;
  history.disconnected();
  assert.equal(history.connectedAt, null);
  assert(history.linkSince > AT);
  history.linkSince = AT;
  history.linkChanged();
  assert(history.linkSince > AT);
});

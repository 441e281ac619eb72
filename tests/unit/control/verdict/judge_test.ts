/** What is said of a port in every state, and of what becomes of its frames. */
import { strict as assert } from "node:assert";
import { PortHistory } from "../../../../lib/control/vhost_port/history.ts";
import {
  judge,
  judgeTraffic,
  verdictFields,
  verdictLately,
  verdictOf,
} from "../../../../lib/control/verdict/judge.ts";
import {
  TRAFFIC_VERDICTS,
  USUAL_DROPS,
  VERDICT_ROWS,
} from "../../../../lib/control/verdict/rows.ts";
import { PROBLEM_CODES } from "../../../../lib/control/vhost_port/problem_codes.ts";
import { PORT_ROWS } from "../../../../lib/switch/counter_rows.ts";
import type { PortStatus } from "../../../../lib/control/types.ts";

type Port = Parameters<typeof judge>[0];
type Problem = Port["problems"][number];

const DOWN = {
  ...{ name: "vm1", kind: "vhost", admin: "up", link: "down", problems: [], memory: [] },
} as unknown as Port;

Deno.test("a refusal is counted, and is the verdict until the next front-end comes", () => {
  const history = new PortHistory();
  const verdict = (): string => judge(DOWN, [], history.refusal).text.split(": ").slice(1).join();
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
/** A port that waits, but for what is said of it. */
function portWith(more: Partial<Port>): Port {
  const port = {
    ...{ name: "vm1", kind: "vhost", admin: "up", link: "wait", problems: [], memory: [] },
    ...{ retry: null, lastError: null, linkSince: AT, connects: 0, counters: {}, device: null },
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

const OFF: Problem = { code: "uplink-down", text: "the device is down", hint: null };
const RETRY = { reason: "no such socket", afterMs: 1500 } as Port["retry"];

/** States from what comes first to what comes last: code, level, and what is said of each. */
const VERDICTS: readonly (readonly [Partial<Port>, string, string, string])[] = [
  [{ admin: "down", problems: [gone] }, "admin-down", "waiting", "down by operator"],
  [
    { problems: [closing, gone] },
    ...["socket-gone", "fault", "no front-end can come: socket was removed"] as const,
  ],
  [
    { problems: [closing] },
    ...["closing", "fault", "no front-end is taken: the last one is ending"] as const,
  ],
  [
    { retry: RETRY, lastError: error },
    ...["connecting", "waiting", "waiting to connect: no such socket, next try in 1.5 s"] as const,
  ],
  [
    { lastError: error },
    ...["refused-before", "waiting", "waiting for a front-end: a message was too short"] as const,
  ],
  [
    { lastError: error, linkSince: "2026-01-01T00:00:02.000Z", connects: 1 },
    "no-front-end",
    "waiting",
    "waiting for a front-end: none is connected since 2026-01-01T00:00:02.000Z",
  ],
  [
    {},
    ...["no-front-end", "waiting", `waiting for a front-end: nobody has connected since ${AT}`],
  ] as [Partial<Port>, string, string, string],
  // What is wrong with memory is the cause of a ring that stopped, and of a link that is down.
  [
    { link: "up", problems: [other] },
    ...["memory-not-shared", "warning", "memory is not shared"] as const,
  ],
  [
    { link: "down", problems: [other] },
    ...["memory-not-shared", "fault", "memory is not shared"] as const,
  ],
  [
    { link: "down" },
    "no-driver",
    "waiting",
    "front-end connected, guest memory not shared yet: its driver has not started",
  ],
  [
    { link: "down", memory: [region] },
    "no-driver",
    "waiting",
    "front-end connected, virtqueues not running: its driver has not started",
  ],
  [{ link: "up", counters: { rxFrames: 1 } }, "flows", "ok", "link up, frames flow"],
  [
    { link: "up", counters: { txFrames: 1 } },
    ...["sends-nothing", "ok", "link up, the guest has sent nothing yet"] as const,
  ],
  [{ link: "up" }, "no-frames", "ok", "link up, no frames yet"],
  [{ kind: "tap", link: "up", counters: { txFrames: 1 } }, "flows", "ok", "link up, frames flow"],
  [{ kind: "tap", admin: "down" }, "admin-down", "waiting", "down by operator"],
  [
    { kind: "tap", link: "down", problems: [OFF] },
    ...["uplink-down", "fault", "the device is down"] as const,
  ],
  [{ kind: "tap", retry: RETRY }, "connecting", "waiting", "waiting: no such socket"],
  [{ kind: "stream" }, "connecting", "waiting", "waiting: nobody is connected"],
  [{ kind: "tap", link: "down" }, "device-down", "waiting", "link down"],
];

Deno.test("a verdict says first what an operator wants to know first", () => {
  for (const [port, ...expected] of VERDICTS) {
    const { code, level, text } = judge(portWith(port));
    assert.deepEqual([code, level, text], expected);
  }
  const broken = [{ index: 3, error: "avail-jump" }, { index: 1, error: "bad-address" }];
  for (const link of ["up", "down"] as const) {
    const { code, level, text, fix } = judge(portWith({ link }), broken, "refused");
    assert.deepEqual([code, level, text], ["ring-stopped", "fault", "vring 3 stopped: avail-jump"]);
    assert.match(fix ?? "", /^vuswitch explain avail-jump;/);
  }
  assert.equal(
    judge(portWith({ link: "up", problems: [other] }), broken).code,
    "memory-not-shared",
  );
  const refused = judge(portWith({ link: "down", memory: [region] }), [], "its MTU was refused");
  assert.deepEqual([refused.code, refused.level], ["refused", "fault"]);
});

Deno.test("every verdict but those of problems has a row, each is found, and names the port", () => {
  const codes: readonly string[] = [...VERDICT_ROWS.map(([code]) => code), ...PROBLEM_CODES];
  const found = new Set(VERDICTS.map(([port]) => judge(portWith(port)).code));
  for (const code of found) assert(codes.includes(code), code);
  for (const { row: [code] } of TRAFFIC_VERDICTS) found.add(code);
  for (const code of ["ring-stopped", "refused"]) found.add(code);
  for (const [code] of VERDICT_ROWS) assert(found.has(code), `${code} is never said`);
  assert.equal(new Set(VERDICT_ROWS.map(([code]) => code)).size, VERDICT_ROWS.length);
  const { fix } = judge(portWith({ admin: "down" }));
  assert.equal(fix, "vuswitch port up vm1 puts it back");
});

const UP = { name: "vm1", kind: "vhost" } as const;

Deno.test("each counter of drops is some verdict's, or means nothing by itself", () => {
  const drops = PORT_ROWS.map(([name]) => name).filter((name) => /^[rt]xDropped/.test(name));
  const known: string[] = [...TRAFFIC_VERDICTS.flatMap(({ counters }) => counters), ...USUAL_DROPS];
  assert.deepEqual(known.sort(), drops.sort());
  for (const { row: [code, level], counters } of TRAFFIC_VERDICTS) {
    assert.equal(new Set(counters.map((name) => name.slice(0, 2))).size, 1, `${code}: one way`);
    for (const name of counters) {
      const verdict = judgeTraffic(UP, { rxFrames: 1, txFrames: 1, [name]: 7 });
      assert.deepEqual([verdict.code, verdict.level], [code, level], name);
      assert.match(verdict.text, /[\d.]+ %.* \(7 dropped so far\)$/);
      assert.doesNotMatch(`${verdict.text}${verdict.fix}`, /NAME/);
    }
  }
  for (const name of USUAL_DROPS) {
    assert.equal(judgeTraffic(UP, { rxFrames: 1, txFrames: 1, [name]: 7 }).code, "flows", name);
  }
});

Deno.test("losses are shares of the frames of their way; the largest is said, small ones are not", () => {
  const text = (counters: Record<string, number>, lately = true): string =>
    judgeTraffic(UP, counters, lately).text;
  assert.equal(
    text({ txFrames: 88, txDroppedNoBuffer: 12, rxFrames: 900 }),
    "the guest does not take its frames: ring full for 12 % of them (12 dropped)",
  );
  // What is refused is not among the frames that were taken; what is dropped later is.
  assert.match(text({ rxFrames: 50, rxDroppedRate: 50 }), /may: 50 % dropped \(50 dropped\)$/);
  assert.match(text({ rxFrames: 50, rxDroppedIsolated: 5 }), /group: 10 % dropped/);
  assert.match(text({ rxDroppedRate: 50 }), /may: 100 % dropped/);
  assert.match(
    text({ txFrames: 10, txDroppedNoBuffer: 3, rxFrames: 50, rxDroppedIsolated: 5 }, false),
    /group: 10 % dropped \(5 dropped so far; 1 more reason\)$/,
  );
  assert.equal(text({ txFrames: 100_000, txDroppedNoBuffer: 99 }), "link up, frames flow");
  assert.match(text({ txFrames: 98_901, txDroppedNoBuffer: 99 }), /full for 0.1 % of them/);
  assert.equal(text({}), "link up, no frames now");
  assert.equal(text({ txFrames: 5 }), "link up, frames flow");
});

Deno.test("whoever looks twice judges frames of late, and nothing else", () => {
  const status = (more: Partial<Port>): PortStatus => {
    const port = portWith(more);
    return { ...port, ...verdictFields(judge(port)) };
  };
  const late = status({ link: "up", counters: { txFrames: 9, txDroppedNoBuffer: 9 } });
  assert.equal(late.verdictCode, "ring-full");
  assert.equal(late.verdict, `${verdictOf(late).text}: ${late.verdictFix}`);
  assert.equal(verdictLately(late, { rxFrames: 1, txFrames: 1 }).code, "flows");
  assert.equal(verdictLately(status({}), { txDroppedNoBuffer: 1 }).code, "no-front-end");
  const full: Problem = { code: "uplink-full", text: "no room", hint: "wait" };
  const uplink = status({ kind: "tap", link: "up", problems: [full] });
  assert.equal(verdictLately(uplink, { txFrames: 1 }).text, "no room");
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

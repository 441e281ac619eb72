/**
 * A switch of as many ports as a test wants, whose names and texts a test chooses, for pages about it.
 *
 * @module
 */
import type { SwitchControl } from "../../../lib/control/api/table.ts";
import { EventStore } from "../../../lib/control/events/store.ts";
import { ControlError, type PortStatus } from "../../../lib/control/types.ts";
import { workOf } from "../../../lib/control/work.ts";
import { FDB_ROWS, PORT_ROWS, WORKER_ROWS } from "../../../lib/switch/counter_rows.ts";
import { answerPage, type Served } from "../../../lib/page/answer.ts";
import { History } from "../../../lib/page/history.ts";

/** The key of all pages here. */
export const KEY = "0123456789abcdef";

/** A port with texts of somebody's choice in all places that hold one. */
export function fakePort(name: string, text: string, count = 0): PortStatus {
  const counters = Object.fromEntries(PORT_ROWS.map(([row]) => [row, count]));
  return {
    ...{ name, kind: "vhost", uplink: false, link: "up", admin: "up", mode: "listen" },
    ...{ verdict: text, verdictCode: "x", verdictLevel: "fault", verdictFix: text },
    ...{ socket: text, listener: null, linkedTo: null, queuePairs: 1, mtu: 1500 },
    ...{ ring: "split/256", features: "0x1", featureNames: [text], protocolFeatures: "0x1" },
    ...{ protocolFeatureNames: [text], peer: { pid: 1, uid: 0, command: text }, device: null },
    ...{ nat: null, forward: [], vlans: { access: null, trunk: text, native: 1 }, isolated: text },
    ...{ limit: null, guard: [text], ip: [text], counters, errors: { [text]: 1 }, memory: [] },
    ...{ lastError: { at: "2026-11-30T00:00:00.000Z", code: text, detail: text }, connects: 1 },
    ...{ problems: [{ code: text, text, hint: text }], sharesMemoryWith: [text], retry: null },
    ...{ connectedAt: "2026-11-30T00:00:00.000Z", linkSince: "2026-11-30T00:00:00.000Z" },
  } as unknown as PortStatus;
}

/** A switch of these ports, and what is served of it. @param text stands wherever somebody chose it */
export function fakeSwitch(ports: () => readonly PortStatus[], text = ""): Served {
  const counts = Object.fromEntries([...FDB_ROWS, ...WORKER_ROWS].map(([row]) => [row, 7]));
  const worker = {
    number: 0,
    idle: "adaptive",
    cpus: [],
    longestStallUs: 3,
    total: workOf(counts),
  };
  const listener = { name: text, socket: text, multi: 4, ports: [], admin: "up", problems: [] };
  const ring = { index: 1, direction: "from guest", state: "broken", size: 8, packed: true };
  const status = () => ({
    ...{ ports: ports(), listeners: [listener], fdb: counts, fdbEntriesMax: 9, uptimeSeconds: 61 },
  });
  const control = {
    ...{ status, ports, workers: () => [worker] },
    port: (name: string) => {
      const found = ports().find((port) => port.name === name);
      if (found) return found;
      throw new ControlError("not-found", `No port named ${name}`, text);
    },
    vrings: () => [{ ...ring, lastAvail: 1, lastUsed: 1, counters: {}, error: text }],
    fdb: () =>
      ports().map(({ name }, i) => ({
        ...{ mac: `02:00:00:00:00:${i.toString(16)}`, port: name, vlan: i, ageSeconds: i },
        state: "dynamic",
      })),
    capture: () => new Blob(["pcapng"]).stream(),
  } as unknown as SwitchControl;
  const events = new EventStore();
  events.add("warn", `port ${text}`, text, text);
  const history = new History();
  const file = (name: string) => ({ name, type: "text/plain", text: name });
  return {
    ...{ control, events, history, key: KEY },
    assets: { style: file("s.css"), script: file("s.js"), icon: file("i.svg"), problem: null },
  };
}

/** What is answered to somebody who has the link. */
export async function ask(
  served: Served,
  path: string,
  init: RequestInit = {},
): Promise<{ readonly response: Response; readonly text: string }> {
  const request = new Request(`http://127.0.0.1/${served.key}/${path}`, init);
  const response = answerPage(request, served);
  return { response, text: await response.text() };
}

/** All pages, of a switch with a port of that name. */
export function pathsOf(port: string): string[] {
  const names = ["", "drops", "addresses", "events", "workers", "capture"];
  return [...names, `ports/${encodeURIComponent(port)}`, "nothing"];
}

/** What is seen of visits now and then: sizes, times, and how full rings are. */
import { strict as assert } from "node:assert";
import { PORT, portBase, WORKER, WORKER_BASE } from "../../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../../lib/switch/datapath.ts";
import { NullPort } from "../../../lib/switch/ports/null_port.ts";
import type { Port, Source } from "../../../lib/switch/ports/port.ts";
import { Survey, SURVEY_EVERY, SURVEY_FRAMES } from "../../../lib/switch/survey.ts";
import {
  beginBurst,
  FRAME_RUNT,
  frameBytes,
  frameHead,
  HEAD_WORDS,
} from "../../../lib/virtio/burst.ts";
import { makeDatapath } from "../../harness/datapath.ts";

/** Frames of these lengths each time that it is polled, to addresses that nobody knows. */
function sender(port: Port, sizes: readonly number[]): Source {
  return {
    ...{ port, polled: false, enabled: true, setKicks: () => false, finish: beginBurst },
    take: () => {
      beginBurst();
      sizes.forEach((bytes, frame) => {
        frameBytes[frame] = bytes;
        frameHead.set([0x00000002, 0x00020001, 0, 0], frame * HEAD_WORDS);
      });
      return sizes.length;
    },
  };
}

function makePath(): { path: Datapath; ports: NullPort[] } {
  const ports = [0, 1, 2].map((number) => new NullPort(number, portBase(number, 2)));
  return { path: makeDatapath(ports), ports };
}

function countersOf(path: Datapath, port: Port, names: RegExp): Record<string, number> {
  const rows = Object.entries(PORT).filter(([name]) => names.test(name));
  const counts = rows.map(([name, at]) =>
    [name, path.counters[port.counterBase + at] ?? NaN] as const
  );
  return Object.fromEntries(counts.filter(([, count]) => count !== 0));
}

Deno.test("with time to spare every frame is in the row of its size, at both ends", () => {
  const { path, ports: [one, other] } = makePath();
  assert(one && other);
  path.survey.isUnhurried = true;
  const sizes = [14, 64, 65, 128, 1518, 1519, 9018, 9019];
  assert(sizes.length <= SURVEY_FRAMES);
  pollSource(path, sender(one, sizes));
  pollSource(path, sender(one, [FRAME_RUNT, 300, 600]));
  const counts = (way: string): Record<string, number> => ({
    ...{
      [`${way}64`]: 2,
      [`${way}128`]: 2,
      [`${way}512`]: 1,
      [`${way}1024`]: 1,
      [`${way}1518`]: 1,
    },
    ...{ [`${way}9018`]: 2, [`${way}More`]: 1, [`${way}Bytes`]: 21345 + 900 },
  });
  assert.equal(sizes.reduce((sum, bytes) => sum + bytes), 21345);
  assert.deepEqual(countersOf(path, one, /Size/), counts("rxSize"));
  assert.deepEqual(countersOf(path, other, /Size/), counts("txSize"));
});

Deno.test("a port out of service is not asked for the sizes of frames that nobody opened", () => {
  const { path, ports: [one] } = makePath();
  assert(one);
  pollSource(path, { ...sender(one, [64]), enabled: false });
  assert.deepEqual(countersOf(path, one, /Size/), {});
});

Deno.test("without time to spare what is seen stands for what is not, of senders in turn", () => {
  const { path, ports } = makePath();
  const [one, other] = ports;
  assert(one && other);
  // Two senders take turns, in bursts that no step through them fits.
  const small = new Array<number>(61).fill(60);
  const mixed = Array.from({ length: 61 }, (_, i) => i % 2 === 0 ? 60 : 1500);
  const rounds = 20_000;
  const sources = [sender(one, small), sender(other, mixed)];
  for (let i = 0; i < rounds; i++) for (const source of sources) pollSource(path, source);
  const near = (count: number | undefined, wanted: number): void =>
    assert(Math.abs(Number(count) / wanted - 1) < 0.1, `${count} is not about ${wanted}`);
  const [first, second] = [one, other].map((port) => countersOf(path, port, /^rxSize/));
  near(first?.["rxSize64"], 61 * rounds);
  near(first?.["rxSizeBytes"], 61 * 60 * rounds);
  near(second?.["rxSize64"], 31 * rounds);
  near(second?.["rxSize1518"], 30 * rounds);
  assert.deepEqual(Object.keys(first ?? {}), ["rxSize64", "rxSizeBytes"]);
  const visits = Object.entries(WORKER).filter(([name]) => /^visitsUs[\dM]/.test(name))
    .reduce((sum, [, at]) => sum + (path.counters[WORKER_BASE + at] ?? NaN), 0);
  near(visits, 2 * rounds);
});

Deno.test("few visits are looked at without time to spare", () => {
  const { path, ports: [one] } = makePath();
  assert(one);
  let looks = 0;
  const { survey } = path;
  const begin = survey.begin.bind(survey);
  survey.begin = (port, count) => {
    looks++;
    begin(port, count);
  };
  const source = sender(one, [60]);
  for (let i = 0; i < 100 * SURVEY_EVERY; i++) pollSource(path, source);
  assert(looks > 50 && looks < 200, `${looks} looks`);
});

Deno.test("a visit is in the row of its time", () => {
  const { path, ports: [one] } = makePath();
  assert(one);
  let now = 5;
  const survey = new Survey(path, () => now);
  survey.isUnhurried = true;
  const rows = Object.entries(WORKER).filter(([name]) => /^visitsUs[\dM]/.test(name));
  const times: readonly (readonly [us: number, row: string])[] = [
    ...[[0, "1"], [0.9, "1"], [1.1, "2"], [1.9, "2"], [2.1, "4"], [3.9, "4"], [4.1, "8"]] as const,
    ...[[1023, "1024"], [1025, "2048"], [16383, "16384"], [16385, "More"], [3e6, "More"]] as const,
    // A clock that was set back.
    [-7, "1"],
  ];
  for (const [us, row] of times) {
    const before = rows.map(([, at]) => path.counters[WORKER_BASE + at] ?? NaN);
    const sum = path.counters[WORKER_BASE + WORKER.visitsUs] ?? NaN;
    survey.begin(one, 0);
    now += us / 1000;
    survey.end();
    const grown = rows.filter(([, at], i) => path.counters[WORKER_BASE + at] !== before[i]);
    assert.deepEqual(grown.map(([name]) => name), [`visitsUs${row}`], String(us));
    const added = (path.counters[WORKER_BASE + WORKER.visitsUs] ?? NaN) - sum;
    assert(Math.abs(added - Math.max(0, us)) <= 1, `${added} for ${us}`);
  }
});

Deno.test("rings are looked at once a second, not all at once, and once after a long sleep", () => {
  const { path, ports } = makePath();
  const looks = ports.map(() => 0);
  const counted = (port: number): void => void (looks[port] = (looks[port] ?? 0) + 1);
  for (const port of ports) port.countReady = () => void counted(port.index);
  path.survey.lookAtRings(1e6);
  assert.deepEqual(looks, [1, 1, 1]);
  for (let ms = 1; ms <= 10_000; ms++) {
    const before = looks.reduce((sum, count) => sum + count);
    path.survey.lookAtRings(1e6 + ms);
    assert(looks.reduce((sum, count) => sum + count) - before <= 1);
  }
  assert.deepEqual(looks, [11, 11, 11]);
  path.survey.lookAtRings(1e6 + 100_000);
  assert.deepEqual(looks, [12, 12, 12]);
});

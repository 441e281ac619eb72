/** What an operator would have to guess: who leaves early and why, and memory that is not shared. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  Mapping,
  signalEventFd,
  viewMemory,
} from "../../../../ffi/mod.ts";
import { PortProblems } from "../../../../lib/control/vhost_port/problems.ts";
import { Device } from "../../../../lib/vhost/device.ts";
import { MemoryTable } from "../../../../lib/vhost/device/memory_table.ts";
import type { PlacedAreas, VringState } from "../../../../lib/vhost/device/vring.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER, makeOffer } from "../../../../lib/vhost/offer.ts";
import { EVENT } from "../../../../lib/worker/events.ts";
import { FakeHost } from "../../vhost/fake_host.ts";

const QEMU = [id.VHOST_USER_GET_FEATURES, id.VHOST_USER_GET_PROTOCOL_FEATURES];
const OWNED = [...QEMU, id.VHOST_USER_SET_OWNER, id.VHOST_USER_GET_FEATURES];

function leave(problems: PortProblems, requests: readonly number[]): void {
  problems.begin(new Device(new FakeHost(), DEFAULT_OFFER));
  for (const request of requests) problems.heard(request);
  problems.end();
  problems.hungUp();
}

Deno.test("an early leaving is explained to who begins like QEMU, once until one gets further", () => {
  const lines: string[] = [];
  const log = (_: string, event: string): void => void lines.push(event);
  const problems = new PortProblems("a", {}, makeOffer({}), log);
  const probes = [
    [],
    QEMU.slice(0, 1),
    QEMU,
    [id.VHOST_USER_SET_OWNER, ...QEMU],
    [...OWNED, id.VHOST_USER_SET_FEATURES],
  ];
  for (const probe of probes) leave(problems, probe);
  assert.deepEqual([lines, problems.list], [[], []]);
  leave(problems, OWNED);
  leave(problems, OWNED);
  leave(problems, QEMU);
  assert.deepEqual(lines, ["iommu-not-offered"]);
  assert.equal(problems.list[0]?.code, "iommu-not-offered");
  leave(problems, [...OWNED, id.VHOST_USER_SET_FEATURES]);
  assert.deepEqual(problems.list, []);
  leave(problems, OWNED);
  assert.equal(lines.length, 2);
});

Deno.test("a port that offers an IOMMU, and ports of one listener, say no more than is due", () => {
  const lines: string[] = [];
  const log = (_: string, event: string): void => void lines.push(event);
  leave(new PortProblems("a", {}, makeOffer({ offer: ["iommu"] }), log), OWNED);
  assert.equal(lines.length, 0);
  const owner = {};
  for (let i = 0; i < 3; i++) leave(new PortProblems("vm{n}", owner, makeOffer({}), log), OWNED);
  assert.equal(lines.length, 1);
});

const RING = 16;
const GUEST = 0x4000_0000;

/** A device with memory and one ring at its start, looked at by hand. */
class Looked implements Disposable {
  readonly lines: string[] = [];
  readonly problems = new PortProblems("a", {}, DEFAULT_OFFER, (level, event, message) => {
    this.lines.push(`${level} ${event}: ${message}`);
  });
  readonly device = new Device(new FakeHost(), DEFAULT_OFFER);
  readonly kick = createEventFd();
  readonly bytes: Uint8Array;
  readonly #mapping: Mapping;

  constructor() {
    const fd = createMemoryFile("test-problems", 65536);
    this.#mapping = Mapping.map(fd, 0, 65536);
    closeFd(fd);
    this.bytes = new Uint8Array(viewMemory(this.#mapping.address, 65536));
    this.problems.begin(this.device);
    this.give();
    const { ring } = this;
    ring.size = RING;
    ring.addresses = { desc: GUEST, avail: GUEST + 4096, used: GUEST + 8192 };
    ring.kickFd = this.kick;
  }

  /** Shares its memory, or none. */
  give(shared = true): void {
    const region = { guestAddr: 0, sizeBytes: 65536, userAddr: GUEST, mmapOffset: 0 };
    this.device.memory = shared
      ? new MemoryTable([region], [this.#mapping.address])
      : new MemoryTable([], []);
  }

  get ring(): VringState {
    return this.device.vrings[0] as VringState;
  }

  /** The ring is started, and served if its memory is there. */
  start(): this {
    const { address } = this.#mapping;
    this.problems.starts(0, this.kick);
    this.ring.started = this.ring.running = true;
    this.ring.areas = {
      ...{ descAddress: address, driverAddress: address + 4096, deviceAddress: address + 8192 },
    };
    return this;
  }

  /** What is shown after so many looks. */
  look(times = 2): string[] {
    for (let i = 0; i < times; i++) this.problems.look();
    return this.problems.list.map(({ text }) => text);
  }

  [Symbol.dispose](): void {
    this.problems.end();
    (this.bytes.buffer as ArrayBuffer).transfer(0);
    this.#mapping.unmap();
    closeFd(this.kick);
  }
}

const EMPTY = "guest memory is not shared with us: its driver kicks and its rings stay empty";

Deno.test("a driver that kicks and writes nothing here writes elsewhere: said once, until it does", () => {
  using looked = new Looked();
  looked.start();
  assert.deepEqual(looked.look(), [], "an idle guest does not kick");
  signalEventFd(looked.kick);
  assert.deepEqual(looked.look(1), [], "once may be between two writes");
  assert.deepEqual(looked.look(1), [EMPTY]);
  assert.deepEqual(looked.look(), [EMPTY]);
  assert.match(looked.lines.join("\n"), /^warn memory-not-shared: .* add share=on to [^\n]*$/);
  // The descriptors' first word, or the available ring's, is enough.
  looked.bytes[4096 + 2] = 1;
  assert.deepEqual(looked.look(1), []);
  assert.equal(looked.lines.at(-1), "info memory-shared: guest memory is where it should be now");
  looked.bytes.fill(0);
  assert.deepEqual(
    [looked.look(), looked.lines.length],
    [[EMPTY], 2],
    "each connection says it once",
  );
});

Deno.test("kicks from before a ring was started, held rings and the used ring's words say nothing", () => {
  using looked = new Looked();
  signalEventFd(looked.kick);
  looked.start();
  assert.deepEqual(looked.look(), [], "VMMs give a first kick themselves");
  looked.ring.held = true;
  signalEventFd(looked.kick);
  assert.deepEqual(looked.look(), [], "its pages are not translated now");
  looked.ring.held = false;
  // What the device writes itself is not the driver's.
  looked.bytes[8192] = 1;
  assert.deepEqual(looked.look(), [EMPTY]);
});

Deno.test("a ring that is driven beside an empty one shows that memory is shared", () => {
  using looked = new Looked();
  looked.start();
  const other = looked.device.vrings[1] as VringState;
  Object.assign(other, { ...looked.ring, kickFd: -1 });
  const { descAddress } = looked.ring.areas as PlacedAreas;
  other.areas = {
    descAddress: descAddress + 16384,
    driverAddress: descAddress + 20480,
    deviceAddress: descAddress + 24576,
  };
  signalEventFd(looked.kick);
  assert.deepEqual(looked.look(), [EMPTY]);
  looked.bytes[16384] = 1;
  assert.deepEqual(looked.look(), []);
});

Deno.test("rings that wait for memory: none came, or not theirs", () => {
  using looked = new Looked();
  looked.give(false);
  looked.ring.started = true;
  const [text] = looked.look();
  assert.match(text ?? "", /its rings are set up and no memory came$/);
  assert.match(looked.problems.list[0]?.hint ?? "", /-numa name that backend \(memdev=\)/);
  looked.give();
  looked.ring.addresses = { desc: GUEST, avail: GUEST + 4096, used: GUEST + 2 ** 20 };
  assert.deepEqual(looked.look(), [
    "guest memory is not shared with us: vring 0: address 0x40100000 is in no shared region",
  ]);
  assert.equal(looked.lines.length, 1);
});

Deno.test("a buffer in no region is named with the ring that it broke, until the ring is set up anew", () => {
  using looked = new Looked();
  looked.start();
  looked.bytes[0] = 1;
  const stray = { kind: EVENT.stray, port: 0, vring: 0, value: 2 ** 40 };
  assert.equal(looked.problems.told(stray), true);
  assert.equal(looked.problems.told({ ...stray, kind: EVENT.call }), false);
  assert.equal(looked.problems.brokenText(0, "avail-jump"), "");
  assert.equal(looked.problems.brokenText(1, "bad-address"), "");
  const named = "address 0x10000000000 is in no shared region";
  const line = looked.problems.brokenText(0, "bad-address");
  assert.equal(line, `: ${named}: add share=on to the guest's memory backend`);
  looked.ring.broken = "bad-address";
  assert.deepEqual(looked.look(), [`guest memory is not shared with us: vring 0: ${named}`]);
  assert.deepEqual(looked.lines, [], "whoever logs that the ring broke says it there");
  looked.ring.broken = null;
  looked.problems.starts(0, looked.kick);
  assert.deepEqual(looked.look(), []);
});

Deno.test("chains that go back unused are said with their reason, also one of a later version", () => {
  using looked = new Looked();
  const event = { kind: EVENT.badChain, port: 0, vring: 3, value: 0 };
  assert.equal(looked.problems.told(event), true);
  looked.problems.told({ ...event, value: 99 });
  assert.match(looked.lines[0] ?? "", /^warn bad-chain: chains of vring 3 .*: bad-direction, a /);
  assert.match(looked.lines[1] ?? "", /: unknown, $/);
});

Deno.test("a port that works is looked at no more until something is heard of it", () => {
  using looked = new Looked();
  const { problems } = looked;
  assert.equal(problems.watching, true);
  looked.look(1);
  assert.equal(problems.watching, false, "nothing runs");
  looked.start();
  assert.equal(problems.watching, true);
  looked.look(5);
  assert.equal(problems.watching, true, "its driver may write elsewhere, once it does");
  looked.bytes[4096 + 2] = 1;
  looked.look(1);
  assert.equal(problems.watching, false);
  problems.heard(id.VHOST_USER_SET_MEM_TABLE);
  assert.equal(problems.watching, true, "a message may change all");
  looked.look(1);
  problems.told({ kind: EVENT.stray, port: 0, vring: 0, value: 2 ** 40 });
  assert.equal(problems.watching, true);
  looked.ring.broken = "bad-address";
  looked.look(3);
  assert.equal(problems.watching, true, "what is wrong may become right");
  looked.ring.broken = null;
  looked.give(false);
  looked.ring.running = false;
  looked.look(3);
  assert.equal(problems.watching, true, "memory may come");
  problems.end();
  problems.heard(id.VHOST_USER_SET_MEM_TABLE);
  assert.equal(problems.watching, false, "nobody is there");
});

/** What a port asks its front-end's IOMMU for, how often, and what it says of refused accesses. */
import { strict as assert } from "node:assert";
import { PortIotlb } from "../../../../lib/control/front_end/iotlb.ts";
import {
  decodeIotlb,
  VHOST_IOTLB_ACCESS_FAIL,
  VHOST_IOTLB_MISS,
  VHOST_USER_BACKEND_IOTLB_MSG,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import type { Session } from "../../../../lib/vhost/session.ts";
import { BIT } from "../../../../lib/vhost/features/bits.ts";
import { EVENT } from "../../../../lib/worker/events.ts";
import { accept, type FakeHost, finish, message, words } from "../../vhost/fake_host.ts";
import { getBase } from "../../vhost/front_ends.ts";
import { connect, translateRings } from "../../vhost/iommu_front_end.ts";
import { FakePlane } from "../fake_plane.ts";
import { until } from "../../../harness/until.ts";

const RX = 0;
const READ = 1;
const WRITE = 2;

/** A port whose front-end's rings run; nothing of it is real but the IOTLB's control side. */
class Port implements Disposable {
  readonly host: FakeHost;
  readonly session: Session;
  readonly plane = new FakePlane();
  readonly number = this.plane.addPort();
  readonly iotlb: PortIotlb;

  constructor() {
    const front = connect();
    this.host = front.host;
    this.session = front.session;
    const socket = this.host.fd("socket");
    accept(this.session, message(id.VHOST_USER_SET_BACKEND_REQ_FD, words(), [socket]));
    translateRings(front);
    this.iotlb = new PortIotlb(this.plane.commands, this.number, () => this.session.device);
  }

  event(kind: number, value: number): void {
    this.iotlb.event({ kind, port: this.number, vring: RX, value });
  }

  /** Messages since the last look: type, address, permission, and whether a reply is wanted. */
  told(): [number, bigint, number, boolean][] {
    return this.host.told.splice(0).map(({ message, answered }) => {
      assert.equal(message.request, VHOST_USER_BACKEND_IOTLB_MSG);
      const { buffer, byteOffset, length } = message.payload;
      const given = decodeIotlb(new DataView(buffer, byteOffset, length));
      assert.deepEqual([given.sizeBytes, given.userAddr], [0n, 0n]);
      return [given.type, given.iova, given.permission, answered !== null];
    });
  }

  [Symbol.dispose](): void {
    this.iotlb.close();
    finish(this.session, this.host);
  }
}

Deno.test("a miss is told with its page and permission, and waits for no reply", () => {
  using port = new Port();
  port.event(EVENT.miss, 0xfffe_d000 + READ);
  port.event(EVENT.miss, 2 ** 52 - 4096 + WRITE);
  assert.deepEqual(port.told(), [
    [VHOST_IOTLB_MISS, 0xfffe_d000n, READ, false],
    [VHOST_IOTLB_MISS, 2n ** 52n - 4096n, WRITE, false],
  ]);
});

Deno.test("a miss that is repeated wants a reply, one at a time, and the reason is logged", () => {
  using port = new Port();
  const wants = (): boolean[] => port.told().map(([, , , reply]) => reply);
  port.event(EVENT.missAgain, 0x1000 + READ);
  port.event(EVENT.missAgain, 0x2000 + READ);
  const [first] = port.host.told;
  assert.deepEqual(wants(), [true, false]);
  first?.answered?.(1n);
  assert.equal(port.host.journal.filter((line) => line === "log iotlb-miss").length, 1);
  port.event(EVENT.missAgain, 0x1000 + READ);
  const [second] = port.host.told;
  assert.deepEqual(wants(), [true]);
  second?.answered?.(0n);
  // The channel breaks: the reply will never come.
  port.event(EVENT.missAgain, 0x1000 + READ);
  const [third] = port.host.told;
  assert.deepEqual(wants(), [true]);
  third?.answered?.(null);
  port.event(EVENT.missAgain, 0x1000 + READ);
  assert.deepEqual(wants(), [true]);
  assert.equal(port.host.journal.filter((line) => line === "log iotlb-miss").length, 1);
});

Deno.test("where replies were not negotiated none is wanted", () => {
  using port = new Port();
  port.session.device.protocolFeatures &= ~(1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK));
  for (let i = 0; i < 3; i++) port.event(EVENT.missAgain, 0x1000 + READ);
  assert.deepEqual(port.told().map(([, , , reply]) => reply), [false, false, false]);
});

Deno.test("a refused access is told, with a reply only where that was negotiated", () => {
  using port = new Port();
  port.event(EVENT.accessFail, 0x3000 + WRITE);
  const [first] = port.host.told;
  assert.deepEqual(port.told(), [[VHOST_IOTLB_ACCESS_FAIL, 0x3000n, WRITE, true]]);
  first?.answered?.(5n);
  assert.equal(port.host.journal.filter((line) => line === "log iotlb-access").length, 2);
  port.session.device.protocolFeatures &= ~(1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK));
  port.event(EVENT.accessFail, 0x4000 + READ);
  assert.deepEqual(port.told(), [[VHOST_IOTLB_ACCESS_FAIL, 0x4000n, READ, false]]);
});

Deno.test("news of a queue that was stopped meanwhile is dropped", () => {
  using port = new Port();
  getBase(port.session, RX);
  port.event(EVENT.miss, 0x1000 + READ);
  port.event(EVENT.accessFail, 0x1000 + READ);
  assert.deepEqual(port.told(), []);
});

Deno.test("without a back-end channel nothing is asked, and nothing breaks", () => {
  using port = new Port();
  port.host.closeFd(port.host.backEnd);
  port.host.backEnd = -1;
  port.event(EVENT.miss, 0x1000 + READ);
  port.event(EVENT.accessFail, 0x1000 + READ);
  assert.deepEqual(port.told(), []);
});

Deno.test("while a queue waits it is asked again, and no longer", async () => {
  using port = new Port();
  const times = (): number => port.plane.iotlb.filter((line) => line === "again").length;
  port.plane.waiting = 1;
  port.event(EVENT.miss, 0x1000 + READ);
  assert.equal(times(), 0);
  await until("it is asked again", () => times() >= 3);
  port.plane.waiting = 0;
  const before = times();
  await until("the last look", () => times() > before);
  // The test's sanitizer finds a timer that goes on.
});

Deno.test("a page of a ring is asked for once, and again when something changed about it", async () => {
  using port = new Port();
  const pages = (): bigint[] => port.told().map(([, page]) => page);
  port.iotlb.askForRing(0x5000);
  port.iotlb.askForRing(0x5000);
  port.iotlb.askForRing(0x6000);
  assert.deepEqual(pages(), [0x5000n, 0x6000n]);
  port.iotlb.update(0x5000, 4096, 0, READ);
  port.iotlb.askForRing(0x5000);
  port.iotlb.askForRing(0x6000);
  assert.deepEqual(pages(), [0x5000n]);
  port.iotlb.invalidate(0, 2 ** 64);
  port.iotlb.askForRing(0x5000);
  port.iotlb.askForRing(0x6000);
  assert.deepEqual(pages(), [0x5000n, 0x6000n]);
  await until("the question is repeated", () => {
    port.iotlb.askForRing(0x5000);
    const [question] = port.told();
    if (question) assert.equal(question[3], true, "with a reply");
    return question !== undefined;
  });
});

Deno.test("of a flood of ring pages none is left out", () => {
  using port = new Port();
  for (let n = 0; n < 20_000; n++) port.iotlb.askForRing(4096 * n);
  assert.equal(port.told().length, 20_000);
});

/** Who leaves early, and whether an IOMMU may be the reason: by what was asked, in which order. */
import { strict as assert } from "node:assert";
import { PortProblems } from "../../../../lib/control/vhost_port/problems.ts";
import { Device } from "../../../../lib/vhost/device.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER, makeOffer } from "../../../../lib/vhost/offer.ts";
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

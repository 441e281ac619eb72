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

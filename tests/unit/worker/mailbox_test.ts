/** What a data plane says of the calls it makes, and who looks at them. */
import { strict as assert } from "node:assert";
import { createMailbox, Mailbox } from "../../../lib/worker/mailbox.ts";

Deno.test("whoever looks at calls no more is told of the next one, once", () => {
  const memory = createMailbox();
  const [control, plane] = [new Mailbox(memory), new Mailbox(memory)];
  assert.equal(plane.enterCall(5), false, "somebody looks");
  assert.deepEqual([control.calling, control.calls], [{ tag: 5, serial: 1 }, 1]);
  assert.equal(control.watchNoMore(1), false, "one is under way");
  plane.leaveCall();
  assert.equal(control.calling, null);
  assert.equal(control.watchNoMore(0), false, "one has begun that is not known");
  assert.equal(plane.enterCall(6), false, "and who was refused goes on looking");
  plane.leaveCall();
  assert.equal(control.watchNoMore(2), true);
  assert.equal(plane.enterCall(7), true);
  plane.leaveCall();
  assert.equal(plane.enterCall(7), false);
});

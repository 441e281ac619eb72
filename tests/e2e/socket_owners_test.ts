/**
 * Whose a port's socket is, and whose processes may come to it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { Bed } from "../harness/bed.ts";
import { canBeOther, OTHER_UID, OtherUser } from "../harness/other_user.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { vuswitch } from "../harness/switch_process.ts";

Deno.test("a user's own socket takes that user's processes, and no others", async () => {
  if (!canBeOther()) return;
  using other = new OtherUser();
  using folder = new TempFolder();
  await using bed = await Bed.make([`owner=${OTHER_UID}`, "peer-uid=nobody", `peer-uid=0`]);
  Deno.chmodSync(bed.folder, 0o755);
  Deno.chmodSync(folder.path, 0o777);
  const { uid, mode } = Deno.statSync(bed.socket(1));
  assert.deepEqual([uid, (mode ?? 0) & 0o777], [OTHER_UID, 0o660]);
  // Another switch, of that user, comes as front-ends do: it connects.
  const ctl = ["--ctl", folder.file("ctl.sock")];
  await using _visitor = await other.start([
    ...["-p", `x=${bed.socket(1)},mode=connect`, ...ctl],
  ]);
  await until("the user", async () => (await bed.port(1)).peer?.uid === OTHER_UID);

  using stranger = new FrontEnd(bed.socket(2));
  assert(await stranger.closedBySwitch());
  const refused = await bed.port(2);
  assert.deepEqual([refused.errors, refused.connects], [{ "peer-uid": 1 }, 0]);
  const line = "user 0, which peer-uid= does not name";
  await until("the log's line", () => bed.process.log.includes(line));
  await bed.guest(3);
  assert.equal((await bed.port(3)).peer?.uid, 0);
});

Deno.test("what is no user, or no file of ours, is one line", async () => {
  const lines: readonly (readonly [string, RegExp])[] = [
    ["owner=no-such-user", /Cannot give a socket to user no-such-user: there is no such user/],
    ["owner=root:no-such-group", /to group no-such-group: there is no such group/],
    ["owner=:0", /owner :0 must be USER or USER:GROUP/],
    ["owner=4294967295", /there is no such user/],
    ["peer-uid=root+no-such-user", /Cannot let in user no-such-user/],
    ["owner=0,mode=connect", /cannot have owner and mode=connect/],
  ];
  for (const [options, line] of lines) {
    const { code, stderr } = await vuswitch("run", "-p", `a=/nowhere/a.sock,${options}`);
    assert.equal(code, 2, stderr);
    assert.match(stderr, line);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});

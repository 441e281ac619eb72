/** The table of limits agrees with itself, and with the reasons that there are. */
import { strict as assert } from "node:assert";
import {
  addressSpaceGib,
  BUDGET_NAMES,
  LIMIT_NAMES,
  limitRow,
  LIMITS,
} from "../../../lib/base/port_limits.ts";
import { MEMBER_GRANULES } from "../../../lib/control/front_end/memory_shares.ts";
import { REASON_ROWS } from "../../../lib/vhost/reasons.ts";

Deno.test("each limit names a reason that there is, and a number within its range", () => {
  const codes: readonly string[] = REASON_ROWS.map(([code]) => code);
  for (const name of LIMIT_NAMES) {
    const { reason, most, large = most, range } = limitRow(name);
    assert(reason === null || codes.includes(reason), `${name}: ${reason}`);
    assert(large >= most, name);
    if (range) assert(most >= range[0] && large <= range[1], name);
  }
  assert.deepEqual(BUDGET_NAMES, ["memory", "regions", "addresses"]);
});

Deno.test("address space has room for all that memory and regions may be, in both classes", () => {
  const { memory, regions, "address-space": space } = LIMITS;
  assert.equal(addressSpaceGib(memory.most, regions.most), space.most);
  assert.equal(addressSpaceGib(memory.large, regions.most), space.large);
  assert.match(limitRow("address-space").meaning, new RegExp(`${MEMBER_GRANULES} more for each`));
});

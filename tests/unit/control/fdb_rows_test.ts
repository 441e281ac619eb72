/** `fdb show` is sorted, whatever order the table has. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { fdbRows } from "../../../lib/control/fdb_rows.ts";

const inOrder = [
  { mac: "02:00:00:00:00:09", vlan: 0, port: "a", ageSeconds: 1, isStatic: false },
  { mac: "02:00:00:00:00:01", vlan: 7, port: "a", ageSeconds: 2, isStatic: false },
  { mac: "02:00:00:00:00:05", vlan: 0, port: "Box1", ageSeconds: 3, isStatic: false },
  { mac: "02:00:00:00:00:0a", vlan: 0, port: "vm2", ageSeconds: 0, isStatic: true },
  { mac: "02:00:00:00:00:a0", vlan: 0, port: "vm2", ageSeconds: 0, isStatic: false },
  { mac: "02:00:00:00:00:0b", vlan: 100, port: "vm2", ageSeconds: 0, isStatic: false },
  { mac: "00:00:00:00:00:01", vlan: 0, port: "vm10", ageSeconds: 0, isStatic: false },
];

Deno.test("rows of the FDB stand by port, VLAN and address", () => {
  const nobodys = { mac: "02:00:00:00:00:99", vlan: 0, port: null, ageSeconds: 0, isStatic: false };
  const wanted = inOrder.map(({ isStatic, ...row }) => ({
    ...row,
    state: isStatic ? "static" : "dynamic",
  }));
  const any = fc.shuffledSubarray([...inOrder, nobodys], { minLength: inOrder.length + 1 });
  fc.assert(fc.property(any, (rows) => assert.deepEqual(fdbRows(rows), wanted)));
});

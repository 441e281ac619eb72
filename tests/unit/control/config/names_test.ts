/** What is said of a name that is no port's. */
import { strict as assert } from "node:assert";
import { controlError } from "../support.ts";
import { checkSandbox, noSuchPort } from "../../../../lib/control/config/names.ts";

Deno.test("a template in a port's place is not guessed to be itself", () => {
  const told = (name: string): (string | null)[] => {
    const { kind, message, hint } = noSuchPort(name, ["vm1", "m{n}"]);
    return [kind, message, hint];
  };
  assert.deepEqual(told("vm2"), ["not-found", 'No port named "vm2"', "did you mean vm1?"]);
  assert.deepEqual(told("m{n}"), [
    "not-found",
    '"m{n}" is a socket for many front-ends, and only each of its ports has that',
    "name one of them, see: vuswitch port list",
  ]);
});

Deno.test("a switch that may start no programs has no port that does", () => {
  const nat = { name: "up", kind: "nat", path: "nat" } as const;
  checkSandbox(nat, false);
  checkSandbox({ name: "up", kind: "tap", path: "tap:vsw0" }, true);
  assert.throws(
    () => checkSandbox(nat, true),
    controlError("invalid", /Cannot add port up: NAT starts programs, which --sandbox gives up/),
  );
});

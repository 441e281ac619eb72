/** What is said of a name that is no port's. */
import { strict as assert } from "node:assert";
import { noSuchPort } from "../../../../lib/control/config/names.ts";

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

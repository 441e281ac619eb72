/** What a request for a capture may say, and what is said of one that is wrong. */
import { strict as assert } from "node:assert";
import { readWanted } from "../../../../lib/control/capture/wanted.ts";
import { controlError } from "../support.ts";

Deno.test("a capture that says no more than its port takes everything, whole", () => {
  assert.deepEqual(readWanted(new URLSearchParams("port=a")), {
    ...{ ports: ["a"], filter: "", program: [], drops: false, count: 0 },
    ...{ snap: 65557, ringBytes: 2 ** 22 },
  });
  const sizes = ["256K", "300000", "1m", "512MiB", "16MB"].map((ring) =>
    readWanted(new URLSearchParams({ port: "a", ring })).ringBytes
  );
  assert.deepEqual(sizes, [2 ** 18, 303_104, 2 ** 20, 2 ** 29, 2 ** 24]);
});

Deno.test("what is wrong with a capture is said in a line", () => {
  const cases: [string, RegExp][] = [
    ["", /needs a port/],
    ["port=a&snap=x", /snap x must be a number/],
    ["port=a&snap=70000", /from 0 to 65557/],
    ["port=a&count=-1", /count -1 must be/],
    ["port=a&drops=maybe", /drops maybe must be 1 or 0/],
    ["port=a&ring=255K", /ring 255K must be from 256K to 512M/],
    ["port=a&ring=1T", /ring 1T must be/],
    ["port=a&ring=513M", /ring 513M must be/],
    ["port=a&fitler=arp", /unknown "fitler"/],
    ["port=a&filter=arq", /"arq" at character 1 is no test/],
  ];
  for (const [query, text] of cases) {
    assert.throws(() => readWanted(new URLSearchParams(query)), controlError("invalid", text));
  }
});

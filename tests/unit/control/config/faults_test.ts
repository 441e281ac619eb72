/** All faults of a file come at once, each with its line. */
import { strict as assert } from "node:assert";
import { faultLine, Faults, lineOf } from "../../../../lib/control/config/faults.ts";
import { mergeAll } from "../../../../lib/control/config/config.ts";
import { readConfigText } from "../../../../lib/control/config/read_config.ts";

const TEXT = `# ports
[switch]
unknwn = "flood"
"fdb_age_seconds" = -1
[[port]]
name = "a"
mtu = 3
mtuu = 9000
[port.storm]
broadcst = 3
[[port]]  # another
name = "b"
socket = "/x"
[[port]]
name = "b"
[[ port ]]
name = "c"
socket = "/x"
[[link]]
ports = ["b", "zz"]
[[mirror]]
name = "m"
from = ["b"]
to = "b"
[sockts]
`;

async function lines(text: string): Promise<string[]> {
  const source = { name: "f.toml", text };
  const faults = new Faults(source);
  mergeAll(await readConfigText(source, faults), {}, "/run/ctl.sock", faults);
  return faults.found.map(faultLine);
}

Deno.test("each fault has its line, of values, of keys, and of what cannot be together", async () => {
  const found = await lines(TEXT);
  const expected = [
    /^f\.toml:25: top level: unknown key "sockts", did you mean sockets\?$/,
    /^f\.toml:3: \[switch\]: unknown key "unknwn", did you mean unknown\?$/,
    /^f\.toml:8: \[\[port\]\] 1: unknown key "mtuu", did you mean mtu\?$/,
    /^f\.toml:7: \[\[port\]\] 1: mtu 3 must be a number from 68/,
    /^f\.toml:\d+: \[\[port\]\] 1: storm "broadcst" is unknown, did you mean broadcast\?$/,
    /^f\.toml:4: fdb_age_seconds -1 must be a whole number from 0/,
    /^f\.toml:14: Port "b" is given twice: rename one$/,
    /^f\.toml:16: Ports "b" and "c" share \/x: change one$/,
    /^f\.toml:19: link b:zz: there is no port "zz"/,
    /^f\.toml:21: Cannot add mirror m: port "b" cannot be copied to itself$/,
  ];
  for (const line of expected) assert(found.some((each) => line.test(each)), `${line}\n${found}`);
  assert.equal(found.length, expected.length, found.join("\n"));
});

Deno.test("what is no TOML is one fault with its column, and nothing else is said", async () => {
  const found = await lines('[[port]]\nname = "a\nmtu = 3\n');
  assert.equal(found.length, 1);
  assert.match(found[0] ?? "", /^f\.toml:2:\d+: .*\(close the quote\)$/);
  assert.deepEqual(await lines(""), []);
});

Deno.test("what is written in another way has the line that is known, or none", () => {
  const text = 'port = [{ name = "a" }]\nname = 1\n';
  assert.equal(lineOf(text, { table: "port", index: 0, key: "mtu" }), 1);
  assert.equal(lineOf(text, { table: "link", index: 0 }), null);
  assert.equal(lineOf(text, { table: null, key: "name" }), 2);
  assert.equal(lineOf("[a.b]\n", { table: null, key: "a" }), 1);
  assert.equal(lineOf(text, { table: null, key: "(" }), null);
});

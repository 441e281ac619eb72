/**
 * What operators write wrong in configuration files and port specifications, and the one line each
 * gets: where it is and what to write.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { readConfigFile } from "../../../../lib/control/config/read_config.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { ControlError } from "../../../../lib/control/types.ts";
import { TempFolder } from "../../../harness/temp.ts";

/** A file's text and what its line must say. */
const TEXTS: readonly [string, RegExp][] = [
  ["[sockets]\nmode = 0660", /v\.toml:2:\d+: .*\(quote it: mode = "0660"\)$/],
  ["[sockets]\nmode = 660", /mode must be a text in quotes: mode = "0660"$/],
  ["[sockets]\nmode = 0o660", /mode must be a text in quotes: mode = "0660"$/],
  ['[sockets]\nmode = "9"', /octal permissions such as 0660$/],
  ["[switch]\nfdb_age_seconds = 0300", /without the zero in front: fdb_age_seconds = 300/],
  ["[dataplane]\ncpus = 2", /cpus must be a list of numbers: cpus = \[2\]$/],
  ['[dataplane]\ncpus = "2-3"', /cpus must be a list of numbers: cpus = \[2-3\]|\[2, 3\]/],
  ["[dataplane]\nidle = poll", /quote it: idle = "poll"/],
  ['[dataplane]\nidle = "spin"', /idle "spin" must be poll, adaptive or sleep/],
  ["[port]\nname = 'a'", /written as \[\[port\]\], two brackets/],
  ["[link]\nports = ['a', 'b']", /written as \[\[link\]\], two brackets/],
  ["[[sockets]]\nmode = '0660'", /write \[sockets\], with one bracket/],
  ["[[port]]\nname = 1", /\[\[port\]\] 1 name must be a text in quotes: name = "1"$/],
  ["[[port]]\nname = vm1", /:2:\d+: .*\(quote it: name = "vm1"\)$/],
  ["[[port]]\nname = “vm1”", /write straight quotes/],
  ['[[port]]\nname = "vm1', /close the quote/],
  ["[[port]]\nname =", /name has no value/],
  ["[[port]]\nname: 'vm1'", /write = between key and value/],
  ["// ports\n[[port]]", /a comment starts with #/],
  ["[[port]]\nname = 'a'\nannounce = False", /write announce = false/],
  ["[[port]]\nsocket = '/x'", /\[\[port\]\] 1 has no name/],
  ["[[port]]\nname = 'a'\nsocket = ''", /socket is empty/],
  ["[[port]]\nname = 'a'\nmtuu = 9000", /unknown key "mtuu", did you mean mtu\?/],
  ["[[port]]\nname = 'a'\nmtu = 'big'", /mtu big must be a number from 68/],
  ["[[port]]\nname = 'a'\noffer = ['inbnd']", /offer "inbnd" is unknown, did you mean inband\?/],
  ["port = ['a']", /\[\[port\]\] 1 must be a table/],
  ["[socket]\nmode = '0660'", /unknown key "socket", did you mean sockets\?/],
  ["[sockets]\ndirectry = '/x'", /unknown key "directry", did you mean directory\?/],
  ["[switch]\nunsealed_memory = 'seal'", /"seal" must be guard, refuse or allow/],
  ["sockets = 3", /\[sockets\] must be a table/],
  ["[sockets\nmode = '0660'", /close the bracket/],
  ["[[link]]\nports = ['vm1']", /names of two ports such as/],
];

/** The one line of a failure. */
async function line(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    assert(error instanceof ControlError, String(error));
    assert.equal(error.kind, "invalid");
    assert(!error.message.includes("\n"), error.message);
    return error.message;
  }
  return assert.fail("it was taken");
}

for (const [text, expected] of TEXTS) {
  Deno.test(`configuration ${JSON.stringify(text)}`, async () => {
    using folder = new TempFolder();
    const path = folder.file("v.toml");
    await Deno.writeTextFile(path, text);
    const said = await line(() => readConfigFile(path));
    assert(said.startsWith(path), said);
    assert.match(said, expected);
  });
}

Deno.test("a configuration that is no file, or never ends", async () => {
  using folder = new TempFolder();
  const read = (path: string): Promise<string> => line(() => readConfigFile(path));
  assert.match(await read(folder.path), /it is a folder: name the file in it$/);
  assert.match(await read("/dev/zero"), /more than 1048576 bytes$/);
  assert.match(await read(folder.file("none")), /there is no such file$/);
  await Deno.writeTextFile(folder.file("f"), "");
  assert.match(await read(folder.file("f/x")), /not a folder/);
  await Deno.writeFile(folder.file("bytes"), new Uint8Array([0xff, 0xfe]));
  assert.match(await read(folder.file("bytes")), /it is not UTF-8 text$/);
  await Deno.symlink(folder.file("circle"), folder.file("circle"));
  assert.match(await read(folder.file("circle")), /circle|symbolic links/);
  assert.deepEqual((await readConfigFile("/dev/null")).ports, []);
});

const SPECS: readonly [string, RegExp][] = [
  ["vm1,mtu=9000,", /an option is empty: leave out the comma/],
  ["vm1,,mtu=9000", /an option is empty/],
  ["vm1,mtu", /option mtu has no value: mtu=N$/],
  ["vm1,mtu=", /option mtu has no value: mtu=N$/],
  ["vm1,mtu=9k", /mtu 9k must be a number from 68 to/],
  ["vm1,mtu=1500,mtu=9000", /mtu is given twice/],
  ["vm1,mut=1500", /unknown option "mut=1500", did you mean mtu\?/],
  ["vm1,vlan=10", /unknown option "vlan=10"; known: mode=listen/],
  ["vm1,mode=server", /mode "server" must be listen .* or connect/],
  ["vm1,mode=listen=x", /mode "listen=x" must be/],
  ["vm1,offer=gpa+", /offer "" is unknown; known/],
  ["vm1,offer=gpaa", /did you mean gpa\?/],
  ["vm1,announce=no", /announce no must be on or off/],
  ["vm1,mac=1", /address of one station/],
  ["vm1,queues=0", /queues 0 must be a number from 1/],
  ["vm1=", /the path behind = is empty/],
  ["", /port name "" must be/],
  ["=/x", /port name "" must be/],
  ["vm 1", /port name "vm 1" must be/],
  ["vm{n}", /say for how many front-ends with multi=N/],
];

for (const [spec, expected] of SPECS) {
  Deno.test(`port ${JSON.stringify(spec)}`, async () => {
    assert.match(await line(() => parsePortSpec(spec, "/run")), expected);
  });
}

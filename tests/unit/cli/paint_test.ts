/**
 * Colour is put where headings and states are, and takes away nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { painted } from "../../../lib/cli/paint.ts";

const PORTS = `NAME   LINK         MODE    RX (from guest)  SOCKET
vm1    up           listen              12  /run/vm1.sock
up     wait         listen               -  /run/up.sock
vm3    up, mac-flap  listen              0  /run/vm3.sock
LINK   admin-down   listen               0  /run/x.sock
vm5    up = vm1     listen               0  /run/y.sock
many{n}  2 of 4     listen               0  /run/z.sock

PORT  VLAN  MAC
up    1     52:54:00:00:00:01
`;

const FINDINGS = `ok       kernel: up to date
warning  limits: few (raise them)
fault    folder: gone (mkdir)
okay     that is none
`;

/** Colours with what is in them, as <32:up>. */
function marked(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[(\d+)m([^\x1b]*)\x1b\[m/g, "<$1:$2>");
}

Deno.test("headings are bold, states have colours where they stand, names have none", () => {
  const lines = marked(painted(PORTS)).split("\n");
  assert.match(lines[0] ?? "", /^<1:NAME .* SOCKET>$/);
  assert.equal(lines[1], "vm1    <32:up>           listen              12  /run/vm1.sock");
  assert.equal(lines[2], "up     <33:wait>         listen               -  /run/up.sock");
  assert.equal(lines[3], "vm3    <32:up><33:, mac-flap>  listen              0  /run/vm3.sock");
  assert.equal(lines[4], "LINK   <33:admin-down>   listen               0  /run/x.sock");
  assert.match(lines[5] ?? "", /^vm5 {4}<32:up> = vm1/);
  assert.match(lines[6] ?? "", /^many\{n\} {2}2 of 4/);
  assert.equal(lines[8], "<1:PORT  VLAN  MAC>");
  assert.equal(lines[9], "up    1     52:54:00:00:00:01");
});

Deno.test("the doctor's levels have colours", () => {
  assert.deepEqual(marked(painted(FINDINGS)).split("\n"), [
    "<32:ok>       kernel: up to date",
    "<33:warning>  limits: few (raise them)",
    "<31:fault>    folder: gone (mkdir)",
    "okay     that is none",
    "",
  ]);
});

Deno.test("without its colours it is the same text", () => {
  for (const text of [PORTS, FINDINGS, "", "\n\n", "vuswitch 0.1.0\n", "{}\n", "NAME\n"]) {
    assert.equal(marked(painted(text)).replace(/<\d+:([^>]*)>/g, "$1"), text);
  }
});

/** What a command prints on a terminal. */
function onTerminal(env: Record<string, string>): string {
  const { stdout } = new Deno.Command("script", {
    args: [
      ...["--quiet", "--return", "--command"],
      `"${Deno.execPath()}" run -A main.ts protocol`,
      "/dev/null",
    ],
    cwd: new URL("../../../", import.meta.url),
    env: { TERM: "xterm", NO_COLOR: "", ...env },
    stdin: "null",
  }).outputSync();
  return new TextDecoder().decode(stdout);
}

Deno.test("a terminal gets colour, unless NO_COLOR or TERM=dumb says that it does not", () => {
  const bold = "\x1b[1mKIND ";
  assert(onTerminal({}).startsWith(bold));
  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    assert(onTerminal(env).startsWith("KIND "), JSON.stringify(env));
  }
});

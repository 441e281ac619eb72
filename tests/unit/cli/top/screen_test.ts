/** The screen of `top`: in any size, with any number of ports, whatever names others chose. */
import { strict as assert } from "node:assert";
import { sparkline, TopHistory } from "../../../../lib/cli/top/history.ts";
import { drawScreen, type Scene, type Screen } from "../../../../lib/cli/top/screen.ts";
import { render, widthOf } from "../../../../lib/cli/top/spans.ts";
import { placeColumns } from "../../../../lib/cli/top/columns.ts";
import { firstState, type TopState } from "../../../../lib/cli/top/state.ts";
import { looksOf } from "../../../../lib/cli/top/terminal.ts";
import type { Details } from "../../../../lib/cli/top/details.ts";
import type { PortStatus, VringStatus } from "../../../../lib/control/types.ts";
import { figuresOf, portFigures, STILL } from "./made_up.ts";

const PLAIN = { colour: false, unicode: false };
const HISTORY = new TopHistory();
const MANY = figuresOf(Array.from({ length: 1000 }, (_, i) =>
  portFigures(`port-${i}`, {
    flow: { ...STILL, rxFrames: 1000 - i, rxBits: 8e9, drops: i % 3 },
    share: 0.001,
  })));

function scene(more: Partial<Scene> = {}, state: Partial<TopState> = {}): Scene {
  return {
    ...{ figures: MANY, measured: true, history: HISTORY, details: null, trouble: null },
    ...{ columns: 100, rows: 30, looks: PLAIN },
    state: { ...firstState("frames", "", 1), ...state },
    ...more,
  };
}

function text({ lines }: Screen, columns = 100): string[] {
  return lines.map((line) => render(line, columns, PLAIN));
}

/** What is left when a terminal has taken the styles. */
function visible(line: string): string {
  // deno-lint-ignore no-control-regex -- styles begin with the escape character
  return line.replaceAll(/\x1b\[[\d;]*m/g, "").trimEnd();
}

Deno.test("in every size there is a line for a port, none too wide, and not one too many", () => {
  for (const state of [{}, { details: true }, { help: true }, { typing: "x" }, { filter: "9" }]) {
    for (let columns = 1; columns <= 260; columns += columns < 90 ? 3 : 37) {
      for (const rows of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20, 50, 2000]) {
        const screen = drawScreen(scene({ columns, rows }, state));
        const what = `${columns} x ${rows} ${JSON.stringify(state)}`;
        assert(screen.lines.length <= rows && screen.portLines >= 1, what);
        for (const line of screen.lines) {
          assert([...visible(render(line, columns, PLAIN))].length <= columns, what);
        }
      }
    }
  }
});

Deno.test("at 40 columns ports, their rates and their verdicts are there, of 1000 ports those one scrolls to", () => {
  const narrow = scene({ columns: 40, rows: 12 }, { selected: "port-700" });
  const lines = text(drawScreen(narrow), 40).map(visible);
  const table = lines.slice(lines.findIndex((line) => line.startsWith("PORT")));
  assert.match(table[0] ?? "", /^PORT +RX\/s +TX\/s +DROP\/s +VERDICT$/);
  assert.match(table.at(-2) ?? "", /^port-700 +300 +0 +1 +flows/);
  assert.equal(drawScreen(narrow).names.length, 1000);
  const wide = visible(text(drawScreen(scene({ columns: 160 })), 160)[4] ?? "");
  assert.match(
    wide,
    /^PORT +LINK +RX\/s +RXbit +TX\/s +TXbit +DROP\/s +\*SHARE +HISTORY +VERDICT$/,
  );
});

Deno.test("columns fill a terminal exactly, and go in the order of what they are worth", () => {
  let before = 0;
  for (let columns = 9; columns < 300; columns++) {
    const placed = placeColumns(columns);
    const wide = placed.reduce((sum, each) => sum + each.wide + 1, -1);
    assert(wide <= columns, `${columns}: ${wide}`);
    assert(placed.length >= before, `${columns}: none goes where there is more room`);
    before = placed.length;
    if (placed.some(({ title }) => title === "VERDICT")) assert.equal(wide, columns);
  }
  assert.equal(before, 10);
});

Deno.test("names that others chose neither steer the terminal nor break a line", () => {
  const evil = portFigures("vm1", {
    ...{ link: "up, \x1b[2J\u{1F600}", verdict: "pid 7 \x1b]0;x\x07: fix \n it" },
    ...{ verdictFix: "fix \n it", verdictLevel: "fault" },
  });
  const port = {
    ...{ name: "vm1", kind: "vhost", link: "up", linkSince: "now", ring: null, queuePairs: 2 },
    ...{ mtu: null, socket: "/a", device: null },
    peer: { pid: 1, uid: 2, command: "\x1b[31mqemu\u202e" },
  } as unknown as PortStatus;
  const vring = {
    ...{ index: 0, direction: "to guest", size: 8, state: "broken", error: "bad-index" },
  } as VringStatus;
  const rates = { frames: 1234, kicks: 0.5, calls: 0 };
  const fdb = Array.from(
    { length: 10 },
    (_, i) => ({ mac: `mac-${i}`, port: "vm1", vlan: i, state: "static", ageSeconds: 0 }) as const,
  );
  const details: Details = { port, rings: [{ vring, rates }, { vring, rates: null }], fdb };
  const screen = drawScreen(
    scene({ figures: figuresOf([evil]), details, columns: 200 }, { details: true }),
  );
  const drawn = screen.lines.map((line) => render(line, 200, PLAIN));
  const all = drawn.map(visible).join("\n");
  assert.match(all, /^[ -~\n]*$/);
  assert.match(all, /^ {2}who +\?\[31mqemu\?, pid 1, uid 2, at \/a$/m);
  assert.match(all, /^ {2}fix +fix \? it$/m);
  assert.match(all, /^ {2}verdict +pid 7 \?\]0;x\?$/m);
  assert.match(all, /vring 0 +to guest, 8 entries, broken: bad-index, 1.2k frames\/s, <1 kicks\/s/);
  assert.match(all, /mac-1 vlan 1 static.*, and 2 more$/m);
});

Deno.test("the lines above the ports say what is going on, and what is wrong", () => {
  const said = (more: Partial<Scene>, state: Partial<TopState> = {}): string =>
    text(drawScreen(scene(more, state))).map(visible).join("\n");
  assert.match(
    said({}),
    /^vuswitch 0\.1\.0 {2}1000 ports, 1000 up {2}up 1 d 01:01:01 {2}pid 7 +01:02:03 UTC$/m,
  );
  assert.match(said({}), /^worker 0 busy +50 % ##########\.{10} /m);
  assert.match(said({}), /^by frames, every 1 s$/m);
  assert.match(said({}, { reverse: true, sort: "rx" }), /^by rx, reversed, every 1 s$/m);
  assert.match(said({}, { paused: true }), /PAUSED/);
  assert.match(said({}, { typing: "99" }), /filter \/99_ 19 of 1000/);
  assert.match(said({}, { filter: "nope" }), /filter \/nope\/ 0 of 1000.*no port has that/s);
  assert.match(said({ figures: figuresOf([]) }), /^no ports$/m);
  assert.match(
    said({ trouble: "No switch answers: trying again" }),
    /^ No switch answers: trying/m,
  );
  assert.match(said({ measured: false }), /^measuring/m);
  assert.match(said({}, { help: true }), /Ctrl-C +end/);
});

Deno.test("a sparkline is as wide as it is told, its highest is whole, and 0 is nothing", () => {
  assert.equal(sparkline([0, 1, 4, 8], 4, true), " ▁▄█");
  assert.equal(sparkline([0, 1, 4, 8], 6, true), "   ▁▄█");
  assert.equal(sparkline([9, 9, 0.1], 2, true), "█▁");
  assert.equal(sparkline([1], 1, false), "@");
  assert.equal(sparkline([0.5, 2], 2, true, 1), "▄█");
  assert.equal(sparkline([], 3, true), "   ");
  assert.equal(sparkline([1, 2], 0, true), "");
  assert.equal(sparkline([NaN, Infinity], 2, true).length, 2);
});

Deno.test("histories are bounded, and those of ports that are gone are forgotten", () => {
  const history = new TopHistory();
  const flow = { ...STILL, rxFrames: 1, txFrames: 2 };
  for (let i = 0; i < 500; i++) history.add(figuresOf([portFigures("a", { flow })]));
  assert.deepEqual([history.port("a").length, history.port("a")[0]], [120, 3]);
  assert.deepEqual([history.worker(0).length, history.drops.length], [120, 120]);
  history.add(figuresOf([portFigures("b")]));
  assert.deepEqual([history.port("a"), history.port("b")], [[], [0]]);
});

Deno.test("NO_COLOR leaves bold and inverse; without a UTF-8 locale there are letters alone", () => {
  const looks = (env: Record<string, string>): unknown => looksOf((name) => env[name]);
  assert.deepEqual(looks({}), { colour: true, unicode: false });
  assert.deepEqual(looks({ NO_COLOR: "1", LANG: "C.UTF-8" }), { colour: false, unicode: true });
  assert.deepEqual(looks({ NO_COLOR: "", LC_ALL: "C", LANG: "de_DE.utf8" }), {
    ...{ colour: true, unicode: false },
  });
  const line = [["a", "red", "bold"], ["b", "green"], "c"] as const;
  assert.equal(
    render(line, 9, { colour: true, unicode: true }),
    "\x1b[31;1ma\x1b[m\x1b[32mb\x1b[mc",
  );
  assert.equal(render(line, 2, PLAIN), "\x1b[1ma\x1b[mb");
  assert.equal(widthOf(line), 3);
});

/** What keys make of `top`: sorting, filters, selection and scrolling. */
import { strict as assert } from "node:assert";
import {
  firstState,
  press,
  selectedLine,
  settled,
  shownPorts,
  SORT_NAMES,
  SORTS,
  type TopState,
} from "../../../../lib/cli/top/state.ts";
import { figuresOf, portFigures, STILL } from "./made_up.ts";

const START = firstState("frames", "", 1);
const NAMES = Array.from({ length: 1000 }, (_, i) => `vm${i}`);

function after(keys: readonly string[], from: TopState = START, names = NAMES): TopState {
  return keys.reduce((state, key) => {
    const next = press(state, key, names, 10);
    assert(typeof next === "object", `${key} goes on`);
    return next;
  }, from);
}

Deno.test("a port is selected by its name, and the list scrolls to where it is seen", () => {
  assert.equal(after([]).selected, null);
  assert.deepEqual([after(["down"]).selected, after(["j", "j", "k"]).selected], ["vm1", "vm1"]);
  assert.equal(after(["up"]).selected, "vm0");
  const end = after(["G"]);
  assert.deepEqual([end.selected, end.first], ["vm999", 990]);
  assert.deepEqual([after(["home"], end).first, after(["page-up"], end).first], [0, 989]);
  assert.equal(after(["page-down", "page-down", "page-down"]).selected, "vm30");
  // It follows the port that was selected, not its line.
  const eleven = after(Array.from("j".repeat(11)));
  assert.deepEqual([eleven.selected, eleven.first], ["vm11", 2]);
  const turned = [...NAMES].reverse();
  assert.equal(settled(eleven, turned, 10).first, 988 - 9);
  // One that is gone is as none.
  assert.equal(selectedLine(["a", "b"], { ...eleven, selected: "c" }), 0);
  assert.equal(after(["down"], START, []).selected, null);
  assert.equal(settled({ ...eleven, first: 50 }, ["a"], 10).first, 0);
  assert.equal(settled(eleven, NAMES, 0).first, 11);
});

Deno.test("every sort has a key of its own that nothing else has, and sorts", () => {
  assert.equal(new Set(Object.values(SORTS)).size, SORT_NAMES.length);
  for (const sort of SORT_NAMES) assert.equal(after([SORTS[sort]]).sort, sort);
  assert.equal(after([">"]).sort, "rx");
  assert.equal(after(["<"]).sort, "verdict");
  const ports = [
    portFigures("vm10", { flow: { ...STILL, rxFrames: 5, rxBits: 1 } }),
    portFigures("vm9", { flow: { ...STILL, txFrames: 7, txBits: 9 }, verdictLevel: "fault" }),
    portFigures("vm1", { flow: { ...STILL, rxFrames: 4, drops: 2 }, verdictLevel: "warning" }),
  ];
  const order = (sort: keyof typeof SORTS, reverse = false): string =>
    shownPorts({ ports }, { ...START, sort, reverse }).map(({ name }) => name).join(" ");
  assert.equal(order("frames"), "vm9 vm10 vm1");
  assert.equal(order("frames", true), "vm1 vm10 vm9");
  assert.equal(order("rx"), "vm10 vm1 vm9");
  assert.equal(order("tx"), "vm9 vm1 vm10");
  assert.equal(order("bits"), "vm9 vm10 vm1");
  assert.equal(order("drops"), "vm1 vm9 vm10");
  assert.equal(order("name"), "vm1 vm9 vm10");
  assert.equal(order("verdict"), "vm9 vm1 vm10");
  const { ports: unsorted } = figuresOf(ports);
  assert.deepEqual(unsorted.map(({ name }) => name), ["vm10", "vm9", "vm1"], "nothing is moved");
});

Deno.test("a filter is typed, shown as it is typed, kept or not, and finds links and verdicts", () => {
  const typing = after(["/", "v", "M", "1", "0", "backspace", "ä"]);
  assert.deepEqual([typing.typing, typing.filter], ["vM1", ""]);
  assert.deepEqual(
    [after(["enter"], typing).filter, after(["enter"], typing).typing],
    ["vM1", null],
  );
  assert.deepEqual([after(["escape"], typing).filter, after(["escape"], typing).typing], [
    "",
    null,
  ]);
  // Letters are no commands there.
  assert.equal(after(["/", "q", "d"]).typing, "qd");
  assert.equal(press(typing, "ctrl-c", NAMES, 10), "quit");
  assert.equal(after(["/", ..."x".repeat(100)]).typing?.length, 40);
  const ports = [
    portFigures("a1", { link: "up, mac-flap" }),
    portFigures("a2", { verdictCode: "ring-full" }),
  ];
  const found = (filter: string): string =>
    shownPorts({ ports }, { ...START, filter }).map(({ name }) => name).join(" ");
  assert.deepEqual([found("FLAP"), found("ring"), found("a"), found("none")], [
    ...["a1", "a2", "a1 a2", ""],
  ]);
  assert.equal(after(["escape"], after(["enter"], typing)).filter, "");
});

Deno.test("other keys: details, help, pause, pace, ends", () => {
  const chosen = after(["enter"]);
  assert.deepEqual([chosen.details, chosen.selected], [true, "vm0"]);
  assert.equal(after(["enter"], chosen).details, false);
  assert.equal(after(["escape"], chosen).details, false);
  assert.equal(after(["escape"], chosen).selected, "vm0");
  assert.equal(after(["?"]).help, true);
  assert.equal(after(["?", "q"]).help, false);
  assert.equal(after(["p"]).paused, true);
  assert.equal(after([" ", "p"]).paused, false);
  assert.equal(after(["+"]).seconds, 2);
  assert.equal(after(["-"]).seconds, 0.5);
  assert.equal(after(["+", "+", "-"]).seconds, 2);
  assert.equal(after(new Array(40).fill("-")).seconds, 0.1);
  assert.equal(after(new Array(40).fill("+")).seconds, 3600);
  assert.equal(after(["+"], { ...START, seconds: 0.3 }).seconds, 0.5);
  for (const key of ["q", "ctrl-c"]) assert.equal(press(START, key, NAMES, 10), "quit");
  assert.equal(press(START, "ctrl-z", NAMES, 10), "suspend");
  assert.deepEqual(after(["tab", "x", "ä", "ctrl-l"]), START);
});

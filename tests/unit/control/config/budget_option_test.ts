/** `budget=` of a port: the same in a specification, a file and a request, and what each fault says. */
import { strict as assert } from "node:assert";
import { budgetOf, readBudget } from "../../../../lib/control/config/budget_option.ts";
import { readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";

function fromFile(options: Record<string, unknown>): PortConfig {
  const { ports: [port] = [] } = readConfigObject({ port: [{ name: "a", ...options }] });
  return port as PortConfig;
}

Deno.test("budgets are read the same everywhere, and what is not named keeps its default", () => {
  const cases: readonly [string, Record<string, unknown>, readonly number[]][] = [
    ["", {}, [2 ** 40, 509, 77, 1600]],
    ["budget=large", { budget: "large" }, [2 ** 43, 509, 8192, 8768]],
    ["budget=memory:64G", { budget: { memory: "64G" } }, [2 ** 36, 509, 77, 640]],
    ["budget=regions:8+memory:1M", { budget: { memory: 2 ** 20, regions: 8 } }, [
      ...[2 ** 20, 8, 77, 76],
    ]],
    ["budget=addresses:1", { budget: { addresses: 1 } }, [2 ** 40, 509, 1, 1600]],
    ["budget=large+addresses:5", { budget: "large+addresses:5" }, [2 ** 43, 509, 5, 8768]],
    ["budget=addresses:5+large", { budget: "addresses:5+large" }, [2 ** 43, 509, 5, 8768]],
  ];
  for (const [spec, table, [memory, regions, addresses, addressSpace]] of cases) {
    const read = parsePortSpec(["a", spec].filter(Boolean).join(","), "/run");
    const wanted = { memory, regions, addresses, addressSpace };
    assert.deepEqual(budgetOf(read, 77), wanted, spec);
    assert.deepEqual(budgetOf(fromFile(table), 77), wanted, spec);
    // As it goes to a switch that runs.
    const { budget } = JSON.parse(JSON.stringify(read));
    if (budget !== undefined) assert.deepEqual(readBudget(budget), read.budget, spec);
  }
});

Deno.test("a budget that cannot be is refused with a line that says what can", () => {
  const cases: readonly [unknown, RegExp][] = [
    ["", /budget "" is unknown; known: large, memory, regions, addresses/],
    ["larg", /budget "larg" is unknown, did you mean "?large"?/],
    ["huge", /budget "huge" is unknown; known: large, memory, regions, addresses/],
    ["memory", /budget memory: must be 1M to 8T \(bytes, K, M, G and T behind them allowed\)/],
    ["memory:9T", /budget memory:9T must be 1M to 8T/],
    ["memory:1023K", /budget memory:1023K must be 1M to 8T/],
    ["memory:1.5G", /budget memory:1.5G must be/],
    ["memory:-1", /budget memory:-1 must be/],
    ["memory:1g", /budget memory:1g must be/],
    ["memory:99999999999999999999", /budget memory:9+ must be/],
    ["regions:0", /budget regions:0 must be 1 to 509 \(regions\)/],
    ["regions:510", /budget regions:510 must be 1 to 509/],
    ["regions:1K", /budget regions:1K must be/],
    ["addresses:1048577", /budget addresses:1048577 must be 1 to 1048576 \(addresses\)/],
    ["regions:1+regions:2", /budget regions is given twice: keep one/],
    ["large:5", /budget "large" is unknown|budget large:5/],
    [{ memory: true }, /budget memory:true must be/],
    [{ toString: 1 }, /budget "toString" is unknown/],
    [7, /budget "7" is unknown/],
    [null, /budget "null" is unknown/],
  ];
  for (const [value, text] of cases) {
    assert.throws(() => readBudget(value), {
      name: "ControlError",
      kind: "invalid",
      message: text,
    });
  }
});

Deno.test("a budget of a port without front-end says nothing of memory", () => {
  assert.throws(() => parsePortSpec("a=tap:v0,budget=large", "/run"), {
    message: /budget=.*memory|memory/,
  });
  assert.equal(parsePortSpec("a=tap:v0,budget=addresses:9", "/run").budget?.addresses, 9);
});

/** The rules of `emit alerts`: they ask for what is served. Promtool tries them in tests/e2e. */
import { strict as assert } from "node:assert";
import { ControlError } from "../../../lib/control/types.ts";
import { emitAlerts } from "../../../lib/emit/alerts.ts";
import { unserved } from "./promised.ts";

Deno.test("rules ask for metrics and labels that are served, of the job that is named", () => {
  const { rules, file } = emitAlerts({ job: "switches-1" });
  assert(rules.length > 10);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { expr, alert } of rules) {
    assert.deepEqual(unserved(expr), [], alert);
    const named = expr.match(/(?:vuswitch_\w+|process_\w+|\bup)\{/g)?.length;
    assert.equal(expr.split('job="switches-1"').length - 1, named, alert);
  }
  assert(!file.join("\n").includes("$JOB"));
});

Deno.test("a job whose name would end a text in a rule is refused", () => {
  for (const job of ["", 'a"', "a\nb", "a b", "a\\", "{}", "-a", "a".repeat(64)]) {
    assert.throws(() => emitAlerts({ job }), ControlError, job);
  }
});

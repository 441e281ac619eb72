/** Metrics as text: whatever stands in labels, a scraper reads it back. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { expose, type Family, formatFor } from "../../../../lib/control/metrics/exposition.ts";
import { readMetrics, series } from "../../../harness/exposition.ts";

function family(samples: Family["samples"], more: Partial<Family> = {}): Family {
  return { name: "x_total", type: "counter", help: "x", labels: ["a", "b"], samples, ...more };
}

Deno.test("labels and help of any text are read back as they were", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom("\\", '"', "\n", "\r", "n", "{", "}", ",", "=", "é", "\u2028"))
      .map((all) => all.join("")),
  );
  fc.assert(fc.property(text, text, text, (a, b, help) => {
    for (const format of ["text", "openmetrics"] as const) {
      const page = expose([family([[[a, b], 3]], { help: `h${help}` })], format);
      const [served] = [...readMetrics(page).values()];
      assert.deepEqual([...served?.values ?? []], [[series("x_total", { a, b }), 3]]);
      assert.equal(served?.help, `h${help}`);
    }
  }));
});

Deno.test("a metric is in one place with its type, and not there without a value", () => {
  const page = expose([family([[["1", "2"], 0.5], [["1", "3"], 0]]), family([])], "text");
  assert.equal(
    page,
    '# HELP x_total x\n# TYPE x_total counter\nx_total{a="1",b="2"} 0.5\nx_total{a="1",b="3"} 0\n',
  );
  const open = expose([family([[[], 1]], { labels: [] })], "openmetrics");
  assert.equal(open, "# HELP x x\n# TYPE x counter\nx_total 1\n# EOF\n");
});

Deno.test("a distribution is cumulative and ends with all of it", () => {
  const of = { labels: ["1"], buckets: [[1, 2], [3, 5]] as const, sum: 11 };
  const one = family([of], { name: "y", type: "histogram", labels: ["a"] });
  const { values } = readMetrics(expose([one], "openmetrics")).get("y") ?? { values: new Map() };
  assert.deepEqual([...values], [
    [series("y_bucket", { a: "1", le: "1.0" }), 2],
    [series("y_bucket", { a: "1", le: "3.0" }), 5],
    [series("y_bucket", { a: "1", le: "+Inf" }), 5],
    [series("y_sum", { a: "1" }), 11],
    [series("y_count", { a: "1" }), 5],
  ]);
  assert.match(expose([one], "text"), /le="1"/);
});

Deno.test("who likes OpenMetrics best gets it, everybody else plain text", () => {
  const open = [
    "application/openmetrics-text",
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "text/plain;q=0.5, Application/OpenMetrics-Text; q=0.6",
  ];
  for (const accept of open) assert.equal(formatFor(accept), "openmetrics", accept);
  const plain = [
    ...[null, "", "*/*", "text/plain", "text/html", "application/openmetrics-text;q=0", ";;,q="],
    ...["text/plain, application/openmetrics-text;q=0.9", "application/openmetrics-text;q=nan"],
  ];
  for (const accept of plain) assert.equal(formatFor(accept), "text", String(accept));
});

/** The dashboard of `emit grafana`: it asks for what is served, and its panels have places. */
import { strict as assert } from "node:assert";
import { ControlError } from "../../../lib/control/types.ts";
import { emitGrafana } from "../../../lib/emit/grafana.ts";
import { unserved } from "./promised.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly refId: string }[];
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
}

Deno.test("a dashboard asks for metrics and labels that are served, and no others", () => {
  const { queries } = emitGrafana({});
  assert(queries.length > 20);
  assert.deepEqual(queries.flatMap(unserved), []);
  assert.deepEqual(
    unserved('rate(vuswitch_no_such_total{a="b"}[5m]) + vuswitch_port_up{mac="x"}'),
    [
      ...["vuswitch_no_such_total", "vuswitch_no_such_total{a}", "vuswitch_port_up{mac}"],
    ],
  );
});

Deno.test("it is a document that Grafana imports, each panel in a place of its own", () => {
  const { dashboard, queries, uid } = emitGrafana({ title: "Rack 7: switches" });
  const json = JSON.parse(dashboard.join("\n"));
  assert.equal(json.title, "Rack 7: switches");
  assert.equal(json.uid, uid);
  assert.match(uid, /^[a-z0-9-]{1,40}$/);
  const panels: readonly Panel[] = json.panels;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.deepEqual(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)), queries);
  const cells = new Set<string>();
  for (const { title, targets, gridPos: { x, y, w, h } } of panels) {
    assert(x >= 0 && x + w <= 24 && w > 0 && h > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        assert(!cells.has(`${column} ${row}`), `${title} lies over another`);
        cells.add(`${column} ${row}`);
      }
    }
  }
  const variables = json.templating.list.map(({ name }: { name: string }) => name);
  for (const [, name] of queries.join("\n").matchAll(/"\$(\w+)"/g)) {
    assert(variables.includes(name), `$${name} can be chosen`);
  }
});

Deno.test("a title without a letter, or too long, is refused", () => {
  for (const title of ["", "…", "a".repeat(81)]) {
    assert.throws(() => emitGrafana({ title }), ControlError, title);
  }
});

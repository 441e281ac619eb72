/** docs/metrics.md: what it names is served, and its scraping is Prometheus' own. */
import { strict as assert } from "node:assert";
import { METRICS } from "../../lib/control/metrics/families.ts";
import { SURVEY_EVERY, SURVEY_FRAMES } from "../../lib/switch/survey.ts";
import { peerTest } from "../harness/peers.ts";
import { PROMETHEUS_MISSING, promtool } from "../harness/promtool.ts";
import { TempFolder } from "../harness/temp.ts";
import { unserved } from "../unit/emit/promised.ts";
import { fencesOf } from "./fences.ts";

const PAGE = await Deno.readTextFile(new URL("../../docs/metrics.md", import.meta.url));
const FENCES = fencesOf("docs/metrics.md", PAGE);

Deno.test("docs/metrics.md names metrics that are served, and the numbers of the code", () => {
  const queries = FENCES.filter(({ kind }) => kind === "text").map(({ body }) => body).join("\n");
  assert.match(queries, /vuswitch_/);
  assert.deepEqual(unserved(queries), []);
  const named = [...PAGE.matchAll(/`(?:\w+\()?((?:vuswitch|vring)_\w+)/g)].map(([, name]) => name);
  assert(named.length > 5);
  const served = METRICS.map(({ name }) => name);
  const known = (name = ""): boolean =>
    served.includes(name) || served.includes(`vuswitch_${name}`) ||
    served.includes(name.replace(/_total$/, ""));
  assert.deepEqual(named.filter((name) => !known(name)), []);
  assert(PAGE.includes(`one in ${SURVEY_EVERY} is`));
  assert(PAGE.includes(`more than ${SURVEY_FRAMES} frames, ${SURVEY_FRAMES} are`));
});

peerTest("a collector scrapes as Prometheus does", PROMETHEUS_MISSING, async () => {
  const [collector] = FENCES.filter(({ kind }) => kind === "json");
  const { receivers } = JSON.parse(collector?.body ?? "");
  using folder = new TempFolder();
  await Deno.writeTextFile(folder.file("p.yml"), JSON.stringify(receivers.prometheus.config));
  assert.match(await promtool("", "check", "config", folder.file("p.yml")), /SUCCESS/);
});

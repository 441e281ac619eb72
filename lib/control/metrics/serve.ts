/**
 * What is answered to who scrapes: `/metrics`.
 *
 * @module
 */
import type { SwitchControl } from "../api/table.ts";
import { CONTENT_TYPES, expose, formatFor } from "./exposition.ts";
import { familiesOf } from "./families.ts";
import { processFigures } from "./process.ts";

/** All metrics of a switch as they are now. Reading them costs the data plane nothing. */
export function metricsAnswer(request: Request, control: SwitchControl): Response {
  const status = control.status();
  const seen = {
    status,
    workers: control.workers(),
    vrings: status.ports.map(({ name }) => [name, control.vrings(name)] as const),
    process: processFigures(),
  };
  const format = formatFor(request.headers.get("accept"));
  return new Response(expose(familiesOf(seen), format), {
    headers: { "content-type": CONTENT_TYPES[format] },
  });
}

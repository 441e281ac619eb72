/**
 * Routes of the control API that only read, and that programs ask for which know nothing of this
 * switch: health, readiness, metrics. They are all that is served where others than the switch's user
 * may ask (metrics_server.ts).
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { metricsAnswer } from "../metrics/serve.ts";
import { Pulse } from "../pulse.ts";
import type { SwitchControl } from "./table.ts";

/** The data planes move on within this, or are not ready, ms. A round takes some microseconds. */
export const READY_MS_MAX = 500;
/** Between two looks at them, ms. */
const LOOK_MS = 5;

/** Whether all data planes go on, by what they count. */
async function goesOn(control: SwitchControl): Promise<boolean> {
  const pulse = new Pulse();
  pulse.beats(control.workers());
  const end = performance.now() + READY_MS_MAX;
  do {
    await delay(LOOK_MS);
    if (pulse.beats(control.workers())) return true;
  } while (performance.now() < end);
  return false;
}

/** What such a route does. */
export type PlainRoute = (
  request: Request,
  control: SwitchControl,
) => Response | Promise<Response>;

/** By path; for GET and HEAD. */
export const PLAIN_ROUTES: Readonly<Record<string, PlainRoute>> = {
  "/healthz": () => new Response("ok\n"),
  "/readyz": async (_, control) =>
    await goesOn(control)
      ? new Response("ok\n")
      : new Response("the data plane stands still\n", { status: 503 }),
  "/metrics": metricsAnswer,
};

/** The route of a request, if it is one of these. */
export function plainRoute(request: Request): PlainRoute | null {
  const { pathname } = new URL(request.url);
  const reads = request.method === "GET" || request.method === "HEAD";
  return reads && Object.hasOwn(PLAIN_ROUTES, pathname) ? PLAIN_ROUTES[pathname] ?? null : null;
}

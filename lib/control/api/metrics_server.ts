/**
 * Metrics at a TCP port of this host's own loopback (`run --metrics`), for a Prometheus that runs as
 * another user. Who may connect there is anybody on the host: nothing can be changed, and nothing is
 * told but metrics and health. It has connections of its own: whoever takes all of them leaves those
 * of the control socket alone.
 *
 * @module
 */
import { ControlError } from "../types.ts";
import type { MetricsAddress } from "../types.ts";
import { HttpServer } from "./http.ts";
import { checkHost, listenLoopback } from "./loopback.ts";
import { plainRoute } from "./plain_routes.ts";
import { problem } from "./routes.ts";
import type { SwitchControl } from "./table.ts";

async function answer(request: Request, control: SwitchControl): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    checkHost(request);
    const route = plainRoute(request);
    if (route !== null) return await route(request, control);
    throw new ControlError(
      "not-found",
      `There is no ${request.method} ${pathname} here`,
      "GET /metrics, /healthz or /readyz; all else is at the control socket",
    );
  } catch (error) {
    return problem(error);
  }
}

/** Metrics that are served. */
export interface MetricsServer {
  /** Where, as a browser has it. */
  readonly url: string;
  /** Resolves when requests under way are answered. */
  close(): Promise<void>;
}

/** Serves `control`'s metrics. @throws {ControlError} the address cannot be had */
export function serveMetrics(
  { hostname, port }: MetricsAddress,
  control: SwitchControl,
): MetricsServer {
  const { listener, host } = listenLoopback({ hostname, port }, "metrics", "--metrics");
  const server = new HttpServer(listener, (request) => answer(request, control));
  return { url: `http://${host}/metrics`, close: () => server.shutdown() };
}

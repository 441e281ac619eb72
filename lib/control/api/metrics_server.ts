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
import { plainRoute } from "./plain_routes.ts";
import { problem } from "./routes.ts";
import type { SwitchControl } from "./table.ts";

/** A web page that a browser on this host shows could ask by a name of its own that leads here. */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])(?::\d+)?$/i;

async function answer(request: Request, control: SwitchControl): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    const host = request.headers.get("host");
    if (host !== null && !OWN_HOST.test(host)) {
      throw new ControlError("invalid", `This is not ${host.slice(0, 80)}: ask 127.0.0.1`);
    }
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
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ transport: "tcp", hostname, port });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ControlError(
      "invalid",
      `Cannot serve metrics at ${hostname}:${port}: ${why}`,
      error instanceof Deno.errors.AddrInUse
        ? `ss -tlnp shows who is there; choose another: --metrics 127.0.0.1:${port + 1}`
        : null,
    );
  }
  const { addr } = listener;
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  const server = new HttpServer(listener, (request) => answer(request, control));
  return { url: `http://${host}:${addr.port}/metrics`, close: () => server.shutdown() };
}

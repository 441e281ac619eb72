/**
 * TCP ports of this host's own loopback: how they are had, and who may not ask there.
 *
 * @module
 */
import { ControlError, type MetricsAddress } from "../types.ts";

/** A web page that a browser on this host shows could ask by a name of its own that leads here. */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])(?::\d+)?$/i;

/** Refuses requests for another host, as DNS rebinding makes them. @throws {ControlError} */
export function checkHost(request: Request): void {
  const host = request.headers.get("host");
  if (host === null || OWN_HOST.test(host)) return;
  throw new ControlError("invalid", `This is not ${host.slice(0, 80)}: ask 127.0.0.1`);
}

/** A listening socket, and its address as it stands in a URL. */
export interface Loopback {
  /** For a server, which owns it then. */
  readonly listener: Deno.TcpListener;
  /** Such as `127.0.0.1:9477`. */
  readonly host: string;
}

/** Listens. @param what is served @param flag says where, for errors @throws {ControlError} */
export function listenLoopback(
  { hostname, port }: MetricsAddress,
  what: string,
  flag: string,
): Loopback {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ transport: "tcp", hostname, port });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ControlError(
      "invalid",
      `Cannot serve ${what} at ${hostname}:${port}: ${why}`,
      error instanceof Deno.errors.AddrInUse
        ? `ss -tlnp shows who is there; choose another: ${flag} 127.0.0.1:${port + 1}`
        : null,
    );
  }
  const { addr } = listener;
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  return { listener, host: `${host}:${addr.port}` };
}

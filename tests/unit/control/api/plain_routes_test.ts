/** Health, readiness and metrics, at the control socket and at a TCP port of its own. */
import { strict as assert } from "node:assert";
import { CONNECTIONS_MAX } from "../../../../lib/control/api/http.ts";
import { serveMetrics } from "../../../../lib/control/api/metrics_server.ts";
import { handle } from "../../../../lib/control/api/routes.ts";
import type { SwitchControl } from "../../../../lib/control/api/table.ts";
import { controlError } from "../support.ts";
import { until } from "../../../harness/until.ts";

/** A switch without ports whose data plane counts as told, and that notes what it is asked. */
class Stand {
  readonly asked = new Set<string>();
  rounds = 0;
  perLook = 1;
  readonly control = new Proxy({}, {
    get: (_, method: string) => (...given: unknown[]) => {
      this.asked.add(method);
      assert.deepEqual(given, []);
      if (method === "status") {
        return { fdb: {}, addresses: { ports: {}, vlans: {} }, ports: [], listeners: [] };
      }
      assert.equal(method, "workers", "nothing else is read");
      this.rounds += this.perLook;
      return [{ number: 0, longestStallUs: 0, total: { counters: { rounds: this.rounds } } }];
    },
  }) as SwitchControl;

  async ask(path: string, method = "GET"): Promise<[number, string]> {
    const answer = await handle(new Request(`http://x${path}`, { method }), this.control);
    return [answer.status, await answer.text()];
  }
}

Deno.test("it is ready while its data plane goes on", async () => {
  const stand = new Stand();
  assert.deepEqual(await stand.ask("/healthz"), [200, "ok\n"]);
  assert.equal(stand.asked.size, 0, "health asks nobody");
  assert.deepEqual(await stand.ask("/readyz"), [200, "ok\n"]);
  stand.perLook = 0;
  assert.deepEqual(await stand.ask("/readyz"), [503, "the data plane stands still\n"]);
  assert.deepEqual(await stand.ask("/healthz"), [200, "ok\n"]);
  stand.perLook = 1;
  assert.deepEqual(await stand.ask("/readyz"), [200, "ok\n"]);
});

Deno.test("only reading is answered there", async () => {
  const stand = new Stand();
  const [status, text] = await stand.ask("/metrics");
  assert.equal(status, 200);
  assert.match(text, /^# HELP vuswitch_build_info /);
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    for (const method of ["POST", "DELETE", "PUT"]) {
      assert.equal((await stand.ask(path, method))[0], 404, `${method} ${path}`);
    }
    assert.equal((await stand.ask(`${path}/x`))[0], 404);
    assert.equal((await stand.ask(`/v1${path}`))[0], 404);
    assert.equal((await stand.ask(path, "HEAD"))[0], 200);
  }
});

/** Asks by HTTP, under any name. */
async function askTcp(url: string, path: string, host: string, method = "GET"): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const words = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(words));
  return await new Response(connection.readable).text();
}

Deno.test("a TCP port serves metrics and health and nothing else, to who asks for this host", async () => {
  const { control } = new Stand();
  const server = serveMetrics({ hostname: "127.0.0.1", port: 0 }, control);
  try {
    const { host } = new URL(server.url);
    const plain = await askTcp(server.url, "/metrics", host);
    assert.match(
      plain,
      /^HTTP\/1\.1 200 OK\r\n[^]*text\/plain; version=0\.0\.4[^]*\nvuswitch_build/,
    );
    assert.match(await askTcp(server.url, "/healthz", "localhost"), /\r\n\r\nok\n$/);
    assert.match(await askTcp(server.url, "/readyz", "[::1]:1"), /\r\n\r\nok\n$/);
    for (const path of ["/v1/switch", "/v1/ports", "/v1/version", "/", "/v1/metrics"]) {
      assert.match(await askTcp(server.url, path, host), /^HTTP\/1\.1 404 /, path);
    }
    for (const method of ["POST", "DELETE", "PATCH"]) {
      assert.match(await askTcp(server.url, "/v1/ports/vm1", host, method), /^HTTP\/1\.1 404 /);
      assert.match(await askTcp(server.url, "/metrics", host, method), /^HTTP\/1\.1 404 /);
    }
    for (
      const other of ["evil.example", "evil.example:9477", "localhost.evil.example", "10.0.0.1"]
    ) {
      assert.match(await askTcp(server.url, "/metrics", other), /^HTTP\/1\.1 400 /, other);
    }
    const taken = { hostname: "127.0.0.1", port: Number(new URL(server.url).port) };
    assert.throws(
      () => serveMetrics(taken, control),
      controlError("invalid", /^Cannot serve metrics at 127\.0\.0\.1:\d+: .*in use/),
    );
  } finally {
    await server.close();
  }
});

Deno.test("silent connections to the TCP port are bounded, and keep nobody else out", async () => {
  const server = serveMetrics({ hostname: "127.0.0.1", port: 0 }, new Stand().control);
  const { hostname, port, host } = new URL(server.url);
  const silent: Deno.Conn[] = [];
  try {
    for (let i = 0; i < CONNECTIONS_MAX + 20; i++) {
      silent.push(await Deno.connect({ hostname, port: Number(port) }));
    }
    await until("metrics beside them", async () => {
      const text = await askTcp(server.url, "/healthz", host).catch(() => "");
      return text.endsWith("ok\n");
    });
  } finally {
    for (const each of silent) each.close();
    await server.close();
  }
});

/** Where metrics are served, as an operator writes it. */
import { strict as assert } from "node:assert";
import { parseMetricsAddress } from "../../../../lib/control/config/metrics_address.ts";
import { controlError } from "../support.ts";

Deno.test("addresses of this host alone are taken", () => {
  const good: readonly [string, string, number][] = [
    ["127.0.0.1:9477", "127.0.0.1", 9477],
    ["127.255.255.254:0", "127.255.255.254", 0],
    ["localhost:65535", "127.0.0.1", 65535],
    ["[::1]:9477", "::1", 9477],
    ["[0:0:0:0:0:0:0:1]:1", "0:0:0:0:0:0:0:1", 1],
  ];
  for (const [text, hostname, port] of good) {
    assert.deepEqual(parseMetricsAddress("--metrics", text), { hostname, port }, text);
  }
});

Deno.test("others are refused with the reason, and what is no address with an example", () => {
  for (
    const text of [
      ...["0.0.0.0:9477", "10.0.0.1:9477", "[::]:9477", "[2001:db8::1]:80", "example.org:80"],
      ...["128.0.0.1:1", "127.0.0.256:1", "127.0.0.1.example.org:80", "[::ffff:127.0.0.1]:80"],
    ]
  ) {
    assert.throws(
      () => parseMetricsAddress("--metrics", text),
      controlError("invalid", /is no loopback address/),
      text,
    );
  }
  for (
    const text of [
      ...["", "9477", ":9477", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1e3"],
      ...[
        "127.0.0.1:-1",
        "::1:9477",
        "[::1]",
        "127.0.0.1:80/metrics",
        "http://127.0.0.1:80",
        "a:1:2",
      ],
    ]
  ) {
    assert.throws(
      () => parseMetricsAddress("[control] metrics", text),
      controlError("invalid", /^\[control\] metrics .* must be .* such as 127\.0\.0\.1:9477$/),
      text,
    );
  }
});

/** Who is answered, and with which headers. */
import { strict as assert } from "node:assert";
import { answerPage, HEADERS } from "../../../lib/page/answer.ts";
import { CAPTURES_MAX, FRAMES_MAX, SECONDS_MAX } from "../../../lib/page/views/capture.ts";
import { ask, fakePort, fakeSwitch, KEY, pathsOf } from "./fake_switch.ts";

const served = fakeSwitch(() => [fakePort("vm1", "secret", 1)]);

function answer(url: string, init: RequestInit = {}): Response {
  return answerPage(new Request(url, init), served);
}

Deno.test("who does not know the key hears nothing of the switch", async () => {
  const wrong = [
    "/",
    "/favicon.ico",
    "//",
    `/${KEY.slice(1)}/`,
    `/${KEY}0/`,
    `/${KEY}%2f`,
    "/x/s.css",
  ];
  for (const path of [...wrong, `/${KEY.toUpperCase()}/samples.json`]) {
    const response = answer(`http://127.0.0.1:1${path}`);
    assert.equal(response.status, 403, path);
    assert.doesNotMatch(await response.text(), /vm1|secret|[0-9a-f]{16}/, path);
  }
});

Deno.test("names of other hosts are not answered, whoever has the key", async () => {
  const status = (host: string): number =>
    answer(`http://127.0.0.1/${KEY}/`, { headers: { host } }).status;
  for (const host of ["127.0.0.1:9478", "localhost", "[::1]:80", "127.1.2.3"]) {
    assert.equal(status(host), 200, host);
  }
  for (
    const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "10.0.0.1", ""]
  ) {
    assert.equal(status(host), 400, host);
  }
  const told = answer(`http://x/${KEY}/`, { headers: { host: "evil.example" } });
  assert.equal(await told.text(), "This is not evil.example: ask 127.0.0.1\n");
});

Deno.test("nothing can be changed: GET and HEAD alone", () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const response = answer(`http://127.0.0.1/${KEY}/`, { method });
    assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD"]);
  }
});

Deno.test("every answer has all headers, and no page loads or runs anything else", async () => {
  const paths = [
    ...pathsOf("vm1"),
    "s.css",
    "samples.json",
    "capture.pcapng?port=vm1&count=1&seconds=1",
  ];
  for (const url of [...paths.map((path) => `http://127.0.0.1/${KEY}/${path}`), "http://x/"]) {
    const response = answer(url);
    for (const [name, value] of Object.entries(HEADERS)) {
      const got = response.headers.get(name);
      if (name !== "cache-control" || !url.endsWith(".css")) {
        assert.equal(got, value, `${url} ${name}`);
      }
    }
    await response.body?.cancel();
  }
  const policy = HEADERS["content-security-policy"] ?? "";
  assert.match(policy, /^default-src 'none';/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/);
});

Deno.test("pages and files are found, what is not there is said in a page", async () => {
  for (
    const [path, status, says] of [
      ["", 200, "<h1>Ports</h1>"],
      ["ports/vm1", 200, "<h1>Port vm1</h1>"],
      ["ports/vm9", 404, "No port named vm9"],
      ["ports/%ff", 400, "two hex digits"],
      ["ports/a/b", 404, "There is no page ports/a/b"],
      ["__proto__", 404, "There is no page __proto__"],
      ["constructor", 404, "There is no page constructor"],
      ["s.js", 200, "s.js"],
      ["capture.pcapng?port=vm1&seconds=1", 400, "count must be a number from 1"],
    ] as const
  ) {
    const { response, text } = await ask(served, path);
    assert.deepEqual([response.status, text.includes(says)], [status, true], `${path}: ${text}`);
  }
});

Deno.test("captures have an end, a file's name, and few places", async () => {
  const query = (more: string) => `capture.pcapng?port=vm1&${more}`;
  for (
    const more of [
      "count=0&seconds=1",
      `count=${FRAMES_MAX + 1}&seconds=1`,
      `count=1&seconds=${SECONDS_MAX + 1}`,
      "count=1&seconds=1&ring=3",
      "count=1&seconds=1&nothing=1",
      "count=1&seconds=1&filter=(",
    ]
  ) {
    assert.equal((await ask(served, query(more))).response.status, 400, more);
  }
  const path = `http://127.0.0.1/${KEY}/${query("count=5&seconds=1&filter=arp")}`;
  const open = Array.from({ length: CAPTURES_MAX }, () => answer(path));
  assert.equal(
    open[0]?.headers.get("content-disposition"),
    'attachment; filename="vuswitch-vm1.pcapng"',
  );
  assert.equal(answer(path).status, 409);
  assert.equal(await open[0]?.text(), "pcapng");
  await open[1]?.body?.cancel();
  const again = answer(path);
  assert.equal(again.status, 200);
  await again.body?.cancel();
  assert.equal((await ask(served, query("count=5&seconds=1"), { method: "HEAD" })).text, "");
});

Deno.test("a thousand ports come in pages, found and sorted without script", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => fakePort(`vm${i}`, "fine", i));
  const large = fakeSwitch(() => many);
  const names = async (path: string): Promise<string[]> => {
    const { text } = await ask(large, path);
    assert(text.length < 300_000, `${path} has ${text.length} characters`);
    return Array.from(text.matchAll(/<tr data-key="([^"]*)"/g), ([, name = ""]) => name)
      .filter((name) => name !== "");
  };
  const first = await names("");
  assert.deepEqual([first.length, first[0], first[99]], [100, "vm0", "vm99"]);
  assert.deepEqual((await names("?from=900")).slice(-1), ["vm999"]);
  assert.deepEqual((await names("?from=123456789")).slice(-1), ["vm999"]);
  assert.deepEqual(await names("?q=VM77"), [
    "vm77",
    ...Array.from({ length: 10 }, (_, i) => `vm77${i}`),
  ]);
  assert.deepEqual((await names("?sort=drops"))[0], "vm999");
  assert.deepEqual((await names("?sort=__proto__"))[0], "vm0");
  assert.equal((await names("addresses")).length, 200);
});

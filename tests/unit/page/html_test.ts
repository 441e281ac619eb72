/** Escaping: nothing that somebody chose is markup, wherever it stands. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { prose } from "../../../lib/page/figures.ts";
import { escapeHtml, markup } from "../../../lib/page/html.ts";
import { ask, fakePort, fakeSwitch, pathsOf } from "./fake_switch.ts";

Deno.test("templates take text as text, markup as markup, and nothing for nothing", () => {
  assert.equal(
    markup`<b title="${`"'&`}">${"<i>"}</b>`.text,
    '<b title="&quot;&#39;&amp;">&lt;i&gt;</b>',
  );
  assert.equal(
    markup`${markup`<b>${1}</b>`}${[markup`<i>`, "<", null, false]}`.text,
    "<b>1</b><i>&lt;",
  );
  assert.equal(escapeHtml("a\u0000\n\u202eb\u2066"), "a???b?");
});

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
};

const HOSTILE = fc.string({
  unit: fc.constantFrom(
    ..."<>\"'&;#/=a\u0000\n\u2028\u202e\u200d\u00e9",
    "<script>",
    "&lt;",
    "\u{1f4a9}",
  ),
});

Deno.test("no text has a way out of its place, and what is shown is what was meant", () => {
  fc.assert(
    fc.property(HOSTILE, (text) => {
      const escaped = escapeHtml(text);
      assert.doesNotMatch(escaped, /[<>"'\p{Cc}\u2028\u202e]/u);
      const shown = escaped.replaceAll(/&([^;]*);/g, (_, name) => NAMED[name] ?? assert.fail(name));
      assert.equal(shown.length, text.length);
      assert([...shown].every((character, i) => character === [...text][i] || character === "?"));
    }),
    { examples: [["<script>"], ["\"'&amp;\u202e\u0000"]] },
  );
});

Deno.test("texts for people have their times and typed words set apart, and stay escaped", () => {
  assert.equal(
    prose("<since> 2026-11-30T01:02:03.456Z: `mtu=<b>`").text,
    '&lt;since&gt; <time datetime="2026-11-30T01:02:03.456Z">2026-11-30 01:02:03</time>: ' +
      "<code>mtu=&lt;b&gt;</code>",
  );
});

Deno.test("no page has markup of those who choose names and texts", async () => {
  const evil = `"'><img src=x onerror=alert(1)><script>alert(2)</script>\u202e\u0000&amp;`;
  const served = fakeSwitch(() => [fakePort(evil, evil, 5)], evil);
  served.history.take(served.control.status(), served.control.workers(), 1000);
  for (
    const path of pathsOf(evil).flatMap((each) => [each, `${each}?q=${encodeURIComponent(evil)}`])
  ) {
    const { text, response } = await ask(served, path);
    assert.match(response.headers.get("content-type") ?? "", /^text\/html/, path);
    const tags = text.replaceAll(/"[^"]*"/g, '""').match(/<[^>]*>/g) ?? [];
    assert.deepEqual(tags.filter((tag) => /^<img/.test(tag)), [], path);
    assert.equal(tags.filter((tag) => /^<script/.test(tag)).length, 1, path);
    assert.deepEqual(tags.filter((tag) => /\s(on\w+|style)=/.test(tag)), [], path);
    // deno-lint-ignore no-control-regex -- that is what it must not have
    assert.doesNotMatch(text, /[\u0000\u202e]/, path);
  }
});

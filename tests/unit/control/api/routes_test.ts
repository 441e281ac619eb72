/** Routes of the control API: which row a request finds, and how what it answers is told. */
import { strict as assert } from "node:assert";
import { handle } from "../../../../lib/control/api/routes.ts";
import { ROUTES, type SwitchControl } from "../../../../lib/control/api/table.ts";
import { ControlError } from "../../../../lib/control/types.ts";

/** Notes what it is asked; answers with the name of the method. */
function recorder(): { control: SwitchControl; asked: unknown[][] } {
  const asked: unknown[][] = [];
  const silent = ["removePort", "removeLink", "flushFdb", "removeStatic"];
  const control = new Proxy({}, {
    get: (_, method: string) => {
      if (method === "socketDir") return "/run/x";
      if (method === "configuration") {
        const note = (name: string) => (...given: unknown[]) => {
          asked.push([name, ...given]);
          return Promise.resolve({ method: name });
        };
        return { show: note("show"), diff: note("diff"), reload: note("reload") };
      }
      if (method === "mirrors") {
        const note = (name: string) => (...given: unknown[]) => {
          asked.push([name, ...given]);
          return name === "remove" ? undefined : { method: name };
        };
        return { list: note("list"), add: note("add"), remove: note("remove") };
      }
      return (...given: unknown[]) => {
        asked.push([method, ...given]);
        if (given[0] === "missing") throw new ControlError("not-found", "no", "look elsewhere");
        return silent.includes(method) ? undefined : { method };
      };
    },
  }) as SwitchControl;
  return { control, asked };
}

async function ask(what: string, body?: unknown): Promise<[number, string, unknown[][]]> {
  const { control, asked } = recorder();
  const [method = "", path = ""] = what.split(" ");
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const answer = await handle(new Request(`http://x${path}`, init), control);
  return [answer.status, await answer.text(), asked];
}

Deno.test("each route asks one thing of the switch, with the names of its path in order", async () => {
  const cases: readonly [string, number, unknown[], unknown?][] = [
    ["GET /v1/switch", 200, ["status"]],
    ["GET /v1/workers", 200, ["workers"]],
    ["GET /v1/ports", 200, ["ports"]],
    ["GET /v1/ports/vm%20%2F1", 200, ["portOrListener", "vm /1"]],
    ["GET /v1/ports/NAME", 200, ["portOrListener", "NAME"]],
    ["DELETE /v1/ports/vm1", 204, ["removePort", "vm1"]],
    ["PATCH /v1/ports/vm1", 200, ["setPort", "vm1", { limit: "1M" }], { limit: "1M" }],
    ["GET /v1/ports/vm1/vrings", 200, ["vrings", "vm1"]],
    ["POST /v1/ports/vm1/link", 200, ["setAdmin", "vm1", "down"], { admin: "down" }],
    ["POST /v1/ports", 201, ["addPort", { name: "a", path: "/run/x/a.sock" }], { name: "a" }],
    ["GET /v1/listeners", 200, ["listeners"]],
    ["GET /v1/links", 200, ["links"]],
    ["POST /v1/links", 201, ["addLink", ["a", "b"]], { ports: ["a", "b"] }],
    ["DELETE /v1/links/a/b", 204, ["removeLink", ["a", "b"]]],
    ["GET /v1/mirrors", 200, ["list"]],
    ["POST /v1/mirrors", 201, ["add", { name: "m", from: ["a"], to: "b", direction: "both" }], {
      ...{ name: "m", from: ["a"], to: "b" },
    }],
    ["DELETE /v1/mirrors/m", 204, ["remove", "m"]],
    ["GET /v1/config", 200, ["show"]],
    ["POST /v1/config/diff", 200, ["diff", { text: { name: "f", text: "" }, exact: true }], {
      ...{ name: "f", text: "", exact: true },
    }],
    ["POST /v1/config/reload", 200, ["reload", { text: null, exact: false }], {}],
    ["GET /v1/groups", 200, ["groups"]],
    ["GET /v1/fdb", 200, ["fdb"]],
    ["POST /v1/fdb", 201, ["addStatic", "52:54:00:00:00:0a", "vm1"], {
      ...{ mac: "52-54-00-00-00-0A", port: "vm1" },
    }],
    ["DELETE /v1/fdb/52:54:00:00:00:0a", 204, ["removeStatic", "52:54:00:00:00:0a"]],
    ["DELETE /v1/fdb", 204, ["flushFdb", null]],
    ["DELETE /v1/fdb?port=vm1", 204, ["flushFdb", "vm1"]],
  ];
  for (const [what, status, call, body] of cases) {
    const [given, text, asked] = await ask(what, body);
    assert.deepEqual([given, asked], [status, [call]], what);
    assert.equal(text, status === 204 ? "" : JSON.stringify({ method: call[0] }), what);
  }
  const tried = new Set(cases.map(([what]) => what.split("?")[0]));
  assert(
    tried.size >= Object.keys(ROUTES).length - 4,
    "all but the version's, the page's, and what is streamed, are tried",
  );
});

Deno.test("the page's route knows its link, or how there would be one", async () => {
  const ask = async (pageUrl: string | null): Promise<[number, unknown]> => {
    const control = { pageUrl } as unknown as SwitchControl;
    const answer = await handle(new Request("http://x/v1/page"), control);
    return [answer.status, await answer.json()];
  };
  assert.deepEqual(await ask("http://127.0.0.1:1/k/"), [200, { url: "http://127.0.0.1:1/k/" }]);
  assert.deepEqual(await ask(null), [404, {
    ...{ title: "not-found", detail: "This switch serves no page" },
    hint: "start it with vuswitch run --page 127.0.0.1:9478",
  }]);
});

Deno.test("a capture is asked for with all it wants, and answered with what comes", async () => {
  const asked: unknown[] = [];
  const capture: SwitchControl["capture"] = (wanted, signal) => {
    asked.push(wanted, signal.aborted);
    return new Blob(["pcapng"]).stream();
  };
  const query = "port=a&port=b&port=a&drops=1&count=2&snap=96&ring=1M&filter=ip6";
  const request = new Request(`http://x/v1/capture?${query}`);
  const answer = await handle(request, { capture } as SwitchControl);
  assert.equal(answer.headers.get("content-type"), "application/x-pcapng");
  assert.equal(await answer.text(), "pcapng");
  assert.deepEqual(asked, [{
    ...{ ports: ["a", "b"], drops: true, count: 2, snap: 96, ringBytes: 2 ** 20 },
    ...{ filter: "ip6", program: [6, 6] },
  }, false]);
});

Deno.test("what is on no route is not there, whatever stands around it", async () => {
  const paths = [
    ...["/", "/v1", "/v1/", "/v2/ports", "/v1/nothing", "/v1/ports/a/b", "/v1/ports/a/vrings/b"],
    ...["/v1/links/a", "/v1/links/a/b/c", "/v1/switch/", "/healthz/x", "/v1/schema/a/b"],
  ];
  for (const path of paths) {
    const [status, text, asked] = await ask(`GET ${path}`);
    assert.deepEqual([status, asked], [404, []], path);
    assert.equal(JSON.parse(text).detail, `There is no ${path}`);
  }
  for (const what of ["PUT /v1/ports", "POST /v1/switch", "DELETE /v1/ports", "POST /v1/schema"]) {
    assert.equal((await ask(what))[0], 404, what);
  }
});

Deno.test("an error of the switch is a problem document, and what asks no switch needs none", async () => {
  const [status, text] = await ask("GET /v1/ports/missing");
  assert.equal(status, 404);
  assert.deepEqual(JSON.parse(text), { title: "not-found", detail: "no", hint: "look elsewhere" });
  assert.deepEqual((await ask("GET /healthz")).slice(0, 2), [200, "ok\n"]);
  for (const path of ["/v1/version", "/v1/schema", "/v1/schema/port"]) {
    const [status, , asked] = await ask(`GET ${path}`);
    assert.deepEqual([status, asked], [200, []], path);
  }
});

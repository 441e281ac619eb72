/** What is printed for a network of several hosts. */
import { strict as assert } from "node:assert";
import { emitEvpn } from "../../../lib/emit/evpn.ts";
import { type FabricWords, readFabric } from "../../../lib/emit/fabric.ts";

const USUAL = { vni: "100", local: "10.77.0.1", peer: ["10.77.0.2", "10.77.0.3"] };

function emit(words: Partial<FabricWords> = {}, remove = false): ReturnType<typeof emitEvpn> {
  const all = { ...USUAL, static: false, reflector: false, ...words };
  return emitEvpn(readFabric(all, []), remove);
}

const MANY = Array.from({ length: 10 }, (_, i) => `10.77.1.${i}`);
/** Every way to say it. */
const ALL: readonly Partial<FabricWords>[] = [
  {},
  { static: true },
  { reflector: true },
  { peer: MANY },
  { local: "fd77::1", peer: ["fd77::2"], static: true },
  { vni: "16777215", as: "65001", tap: "up", bridge: "lan.5", user: "vusw", mtu: "8950" },
];

Deno.test("the same words give the same text, of lines that a shell reads", async () => {
  for (const words of ALL) {
    for (const remove of [false, true]) {
      const { script } = emit(words, remove);
      assert.deepEqual(emit(words, remove).script, script);
      for (const line of script) assert.doesNotMatch(line, /\n|undefined|\[object/);
      const child = new Deno.Command("sh", { args: ["-n"], stdin: "piped", stderr: "piped" })
        .spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(`${script.join("\n")}\n`));
      await writer.close();
      const { code, stderr } = await child.output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    }
  }
});

Deno.test("whoever is not root is told so", async () => {
  const child = new Deno.Command("sh", {
    ...Deno.uid() === 0 ? { uid: 65534, gid: 65534 } : {},
    ...{ cwd: "/", stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  // It ends before it has read all.
  await writer.write(new TextEncoder().encode(emit().script.join("\n"))).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stderr } = await child.output();
  assert.equal(code, 1);
  assert.equal(new TextDecoder().decode(stderr), "Run this as root\n");
});

Deno.test("the first line has the words that print it again", () => {
  const first = (words: Partial<FabricWords>, remove = false): string =>
    emit(words, remove).script[1] ?? "";
  const usual =
    "# vuswitch emit evpn --vni 100 --local 10.77.0.1 --peer 10.77.0.2 --peer 10.77.0.3";
  assert.equal(first({}), usual);
  assert.equal(first({ static: true }, true), `${usual} --static --remove`);
  assert.equal(
    first({ as: "65001", tap: "up", bridge: "lan", user: "vusw", mtu: "1400", reflector: true }),
    `${usual} --as 65001 --tap up --bridge lan --user vusw --mtu 1400 --reflector`,
  );
});

Deno.test("a static list has no FRR, and EVPN no list", () => {
  const listed = emit({ static: true });
  assert.equal(listed.frr, null);
  assert(!listed.script.some((line) => /vtysh|FRR/.test(line)));
  for (const peer of USUAL.peer) {
    assert(listed.commands.includes(`bridge fdb append 00:00:00:00:00:00 dev vx100 dst ${peer}`));
  }
  const evpn = emit();
  assert(evpn.commands.every((line) => !line.includes("fdb")));
  for (const peer of USUAL.peer) {
    assert(evpn.frr?.includes(` neighbor ${peer} peer-group vuswitch`));
  }
  assert(evpn.commands.some((line) => line.includes("nolearning")));
  assert(listed.commands.every((line) => !line.includes("nolearning")));
});

Deno.test("a reflector's peers are its clients, and a large mesh is told of reflectors", () => {
  const client = "  neighbor vuswitch route-reflector-client";
  assert(emit({ reflector: true }).frr?.includes(client));
  assert(!emit().frr?.includes(client));
  const told = ({ notes }: { readonly notes: readonly string[] }): boolean =>
    notes.some((note) => note.includes("name two route reflectors"));
  assert(told(emit({ peer: MANY })));
  assert(!told(emit({ peer: MANY.slice(0, 9) })));
  assert(!told(emit({ peer: MANY, reflector: true })));
});

Deno.test("what is made is what is removed, and FRR's configuration is not", () => {
  const words = { tap: "up", bridge: "lan" };
  const made = emit(words).commands.flatMap((line) => /^there (\S+) /.exec(line)?.[1] ?? []);
  const { commands, frr, notes } = emit(words, true);
  const removed = commands.flatMap((line) => /ip link del dev (\S+)$/.exec(line)?.[1] ?? []);
  assert.deepEqual(made.sort(), ["lan", "up", "vx100"]);
  assert.deepEqual(removed.sort(), made);
  assert.equal(frr, null);
  assert.match(notes.join(), /no router bgp 65000/);
});

Deno.test("MTUs of guests and hosts are told, and the ports between hosts", () => {
  const notes = (words: Partial<FabricWords>): string => emit(words).notes.join("\n");
  assert.match(notes({}), /MTU of 1450; .* packets of 1500 bytes, 4 more if guests send tagged/);
  assert.match(notes({ mtu: "9000" }), /MTU of 9000; .* packets of 9050 bytes/);
  assert.match(notes({}), /up=tap:vsw100 -p vm1,mtu=1450/);
  assert.match(notes({ user: "vusw" }), /as vusw/);
  assert.match(notes({}), /TCP 179/);
  assert.doesNotMatch(notes({ static: true }), /TCP 179/);
});

/**
 * Every fenced block of README.md and docs/ works as printed: commands run, in order, in a place
 * that looks like a fresh machine; transcripts print what is shown; configurations start a switch.
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { commandsPage } from "../../lib/build/commands_page.ts";
import { hostCopy } from "../harness/host_copy.ts";
import { hasProgram, PEERS_REQUIRED, peerTest } from "../harness/peers.ts";
import { TempFolder } from "../harness/temp.ts";
import { fencesOf, firstMissing } from "./fences.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGES = [
  "README.md",
  ...Array.from(Deno.readDirSync(`${ROOT}docs`), ({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md")).sort(),
];
/** A page that a program writes: it is compared as a whole, and not run block by block. */
const WRITTEN = "docs/commands.md";

const NAMESPACES = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

/** A command with NAT. */
const NAT = /^vuswitch .*(--nat|=nat)\b|task demo\b/m;

/** What changes what is installed: that is done to a copy of the host's files. */
const INSTALLS = /^sudo dpkg -i /m;
/** What needs a runtime to put into the binary: where none is named it would be downloaded. */
const COMPILES = /task compile/;

/** Whether this process may have namespaces of its own: as root, and not in every container. */
const MAY_UNSHARE = hasProgram("unshare") && new Deno.Command("unshare", {
  args: [...NAMESPACES, "mount", "-t", "tmpfs", "none", "/run"],
  stderr: "null",
}).outputSync().success;

/** Runs a page's blocks where nothing of the machine's own is touched, and nothing stays. */
async function runPage(
  path: string,
  text: string,
): Promise<{ code: number; output: string }> {
  using folder = new TempFolder();
  // What NAT does to a host's network stays in one that goes with the page.
  const ownNetwork = NAT.test(text);
  const script = [
    "mount -t tmpfs none /run",
    ...ownNetwork ? ["ip link set lo up"] : [],
    // FRR keeps a folder there for each of its names.
    "mount -t tmpfs none /var/tmp",
    "[ ! -d /etc/frr ] || mount -t tmpfs none /etc/frr",
  ];
  const own = INSTALLS.test(text) ? folder.file("copy") : null;
  if (own !== null) {
    Deno.mkdirSync(own);
    script.push(...hostCopy(own));
  }
  const inside = own === null ? "" : `chroot ${own}/root `;
  const run = `"${Deno.execPath()}" run -A ${ROOT}tests/docs/page.ts ${path} ${folder.path}`;
  script.push(`exec ${inside}${run}`);
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: [...NAMESPACES, ...ownNetwork ? ["--net"] : [], "bash", "-ec", script.join("\n")],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Debian packages that a page's blocks need and that are not there. */
function missingPackages(text: string): string[] {
  const missing = /qemu-system|guest-image/.test(text) ? missingQemuPackages() : [];
  if (text.includes("dpdk-testpmd") && !hasProgram("dpdk-testpmd")) missing.push("dpdk");
  if (text.includes("vtysh ") && !hasProgram("vtysh")) missing.push("frr");
  if (text.includes("tcpdump -n") && !hasProgram("tcpdump")) missing.push("tcpdump");
  if (text.includes("curl ") && !hasProgram("curl")) missing.push("curl");
  for (const program of ["passt", "slirp4netns"]) {
    if (new RegExp(`^${program} `, "m").test(text) && !hasProgram(program)) missing.push(program);
  }
  if (text.includes("buildah ") && !hasProgram("buildah")) missing.push("buildah");
  if (NAT.test(text) && !hasProgram("nft")) missing.push("nftables");
  if (NAT.test(text) && !hasProgram("dnsmasq")) missing.push("dnsmasq-base");
  if (!hasProgram("unshare")) missing.push("util-linux");
  if (!hasProgram("script")) missing.push("bsdutils");
  return missing;
}

for (const page of PAGES) {
  const fences = fencesOf(page, Deno.readTextFileSync(ROOT + page));
  const name = `all ${fences.length} blocks of ${page} work as printed`;
  if (fences.length === 0 || page === WRITTEN) continue;
  if (!MAY_UNSHARE && !PEERS_REQUIRED) {
    console.error(`SKIPPED ${name}: this user may not "unshare ${NAMESPACES.join(" ")}"`);
    Deno.test({ name: `${name} (needs namespaces)`, ignore: true, fn: () => {} });
    continue;
  }
  const text = fences.map(({ body }) => body).join("\n");
  if (COMPILES.test(text) && !Deno.env.has("VUSWITCH_DENO_COMPILE")) {
    console.error(`SKIPPED ${name}: VUSWITCH_DENO_COMPILE names no Deno that has its runtime`);
    continue;
  }
  peerTest(name, missingPackages(text), async () => {
    const { code, output } = await runPage(page, text);
    assert(code === 0, output);
    assert.equal(
      output.split("\n").filter((line) => line.startsWith(`${page}:`)).length,
      fences.length,
    );
    console.log(output);
  });
}

Deno.test("docs/commands.md is what --help says", async () => {
  const page = Deno.readTextFileSync(ROOT + WRITTEN);
  assert(page === await commandsPage(), "run: deno task docs");
});

Deno.test("a block that nobody would run is told", () => {
  const fence = (info: string, body: string): string => `text\n\`\`\`${info}\n${body}\n\`\`\`\n`;
  assert.equal(fencesOf("x.md", fence("sh", "true")).length, 1);
  assert.throws(() => fencesOf("x.md", fence("", "true")), /x.md:2: "" is none of sh/);
  assert.throws(() => fencesOf("x.md", fence("bash", "true")), /"bash" is none of sh/);
  assert.throws(() => fencesOf("x.md", fence("sh skip=1", "true")), /unknown words/);
  assert.throws(() => fencesOf("x.md", fence("sh skip", "true")), /unknown words/);
  assert.throws(() => fencesOf("x.md", fence("sh terminal=a", "true")), /go together/);
  assert.throws(() => fencesOf("x.md", fence("text", "vuswitch run")), /a text with commands/);
  assert.throws(() => fencesOf("x.md", "```sh\ntrue"), /no end/);
});

Deno.test("a transcript is compared line by line, and … stands for what varies", () => {
  const output = "NAME  LINK\nvm1   up    12 ms\r\nvm2   down  3 ms\n";
  assert.equal(firstMissing(["NAME LINK", "vm1 up … ms", "vm2 down …"], output), null);
  assert.equal(firstMissing(["vm2 down …", "vm1 up …"], output), null);
  assert.equal(firstMissing(["vm1 up …", "vm1 up …"], output), "vm1 up …");
  assert.equal(firstMissing(["vm1 down …"], output), "vm1 down …");
  assert.equal(firstMissing(["vm1 up"], output), "vm1 up");
  assert.equal(firstMissing(["vm1 u. …"], output), "vm1 u. …");
});

const ROTTEN: readonly (readonly [string, string, RegExp])[] = [
  ["a command that fails", "```sh\ntrue\nfalse\ntrue\n```", /exits with 1/],
  [
    "a flag there is not",
    "```sh\nnpx -y deno@2.9.6 run -A main.ts run --portt vm1\n```",
    /exits with 2/,
  ],
  ["another Deno", "```sh\nnpx -y deno@2.9.5 task demo\n```", /not as .ci\/run says/],
  ["a package that CI lacks", "```sh\nsudo apt-get install qemu-kvm\n```", /qemu-kvm is not among/],
  ["what a command does not print", "```console\n$ echo a\nb\n```", /does not print\nb/],
  ["a terminal that ends", '```sh terminal=a until="ready"\necho no\n```', /ended without saying/],
  [
    "an option there is not",
    '```toml\n[[port]]\nname = "vm1"\nspeed = 1\n```',
    /unknown key "speed"/,
  ],
  ["JSON that is not closed", "```json\n{\n```", /JSON/],
];

Deno.test({
  name: "what has rotted in a page is found",
  ignore: !MAY_UNSHARE && !PEERS_REQUIRED,
  fn: async (t) => {
    using folder = new TempFolder();
    for (const [name, text, expected] of ROTTEN) {
      await t.step(name, async () => {
        Deno.writeTextFileSync(folder.file("page.md"), text);
        const { code, output } = await runPage(folder.file("page.md"), "");
        assert.equal(code, 1, output);
        assert.match(output, expected);
      });
    }
  },
});

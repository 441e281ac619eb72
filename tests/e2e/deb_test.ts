/**
 * The Debian package, of a small program in place of the binary: what is in it, and what dpkg makes
 * of a copy of this host when it comes, comes again, and goes.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { makeDeb } from "../../lib/build/package/deb.ts";
import { VERSION } from "../../lib/version.ts";
import { canCopyHost, hostCopy } from "../harness/host_copy.ts";
import { hasProgram, PEERS_REQUIRED, peerTest } from "../harness/peers.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";

/** Any program that needs libc. */
const PROGRAM = "/usr/bin/env";

/** Installs, looks, installs again, removes and purges; says what it saw, a line each. */
const LIFE = `
in_copy() { chroot "$copy" "$@"; }
say() { echo "$1: $(shift; in_copy "$@" 2>&1)"; }
# What the host was like does not matter.
in_copy dpkg --purge vuswitch > /dev/null 2>&1 || true
in_copy dpkg -i /package.deb > /dev/null
say changed dpkg --verify vuswitch
say user sh -c 'getent passwd vuswitch | cut -d: -f5-'
say folder stat -c '%U %G %a' /run/vuswitch
say enabled systemctl is-enabled vuswitch
say unit systemd-analyze verify /usr/lib/systemd/system/vuswitch.service
say manual sh -c 'man -w vuswitch vuswitch.toml | xargs -n1 basename | xargs'
in_copy systemctl enable vuswitch 2> /dev/null
echo '# mine' >> "$copy/etc/vuswitch.toml"
in_copy dpkg -i /package.deb > /dev/null
say again sh -c 'systemctl is-enabled vuswitch; tail -n 1 /etc/vuswitch.toml' | xargs
in_copy dpkg --remove vuswitch > /dev/null
say kept tail -n 1 /etc/vuswitch.toml
say removed sh -c 'ls /usr/bin/vuswitch /usr/lib/systemd/system/vuswitch.service 2> /dev/null'
in_copy dpkg -i /package.deb > /dev/null
say back systemctl is-enabled vuswitch
in_copy dpkg --purge vuswitch > /dev/null
say left sh -c 'find /etc /usr/bin /usr/lib/systemd /usr/lib/*.d /usr/share/man /usr/share/doc \\
  /usr/share/*/completions /run /var/lib/systemd -name "*vuswitch*"'
`;

/** What LIFE says. */
const SEEN = [
  "changed: ",
  "user: Switch for virtual machines:/run/vuswitch:/usr/sbin/nologin",
  "folder: vuswitch vuswitch 755",
  "enabled: disabled",
  "unit: ",
  "manual: vuswitch.1.gz vuswitch.toml.5.gz",
  "again: enabled # mine",
  "kept: # mine",
  "removed: ",
  "back: enabled",
  "left: ",
];

function output(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
  const text = new TextDecoder().decode(stdout);
  assert(success, `${program}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

const missing = Object.entries({ "dpkg-deb": "dpkg", "systemd-sysusers": "systemd", man: "man-db" })
  .flatMap(([program, name]) => hasProgram(program) ? [] : [name]);

peerTest(
  "deb: the same bytes for the same binary, and files as other commands print them",
  missing,
  async () => {
    using folder = new TempFolder();
    const file = await makeDeb(PROGRAM, folder.path);
    const again = await makeDeb(PROGRAM, folder.file("again.deb"));
    assert.deepEqual(Deno.readFileSync(file), Deno.readFileSync(again));
    assert.match(file, new RegExp(`/vuswitch_${VERSION}_(amd64|arm64)\\.deb$`));
    assert.equal(output("dpkg-deb", "--field", file, "Version").trim(), VERSION);
    assert.match(
      output("dpkg-deb", "--field", file, "Depends"),
      /^libc6 \(>= 2\.\d+\), systemd \|/,
    );
    assert.equal(output("dpkg-deb", "--info", file, "conffiles"), "/etc/vuswitch.toml\n");
    const owners = output("dpkg-deb", "--contents", file).matchAll(/^\S+ (\S+) /gm);
    assert.deepEqual(new Set(Array.from(owners, ([, owner]) => owner)), new Set(["root/root"]));

    output("dpkg-deb", "--extract", file, folder.file("tree"));
    const read = (path: string): string => Deno.readTextFileSync(`${folder.path}/tree${path}`);
    const unit = await vuswitch("emit", "systemd", "--binary", "/usr/bin/vuswitch");
    const emitted = unit.stdout.replace(/^(# .*\n)*\n/, "");
    assert.equal(read("/usr/lib/systemd/system/vuswitch.service"), emitted);
    const bash = await vuswitch("completion", "bash");
    assert.equal(read("/usr/share/bash-completion/completions/vuswitch"), bash.stdout);
    const page = output("zcat", folder.file("tree/usr/share/man/man1/vuswitch.1.gz"));
    assert.equal(page, (await vuswitch("man")).stdout);
    // The example in it, and the file as it is, are configurations that a switch takes.
    const config = read("/etc/vuswitch.toml");
    const { readConfigFile } = await import("../../lib/control/config/read_config.ts");
    assert.deepEqual((await readConfigFile(folder.file("tree/etc/vuswitch.toml"))).ports, []);
    Deno.writeTextFileSync(folder.file("full.toml"), config.replace(/^#(?! )/gm, ""));
    assert((await readConfigFile(folder.file("full.toml"))).ports?.length);
  },
);

if (canCopyHost() || PEERS_REQUIRED) {
  peerTest(
    "deb: it is installed, installed again, removed and purged as Debian's own are",
    missing,
    async () => {
      using folder = new TempFolder();
      const file = await makeDeb(PROGRAM, folder.path);
      const copy = folder.file("copy");
      Deno.mkdirSync(copy);
      const script = [
        ...hostCopy(copy),
        `copy="${copy}/root"`,
        `cp "${file}" "$copy/package.deb"`,
        LIFE,
      ];
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: ["--mount", "bash", "-ec", script.join("\n")],
        env: { LC_ALL: "C.UTF-8", MANPATH: "" },
        stdin: "null",
      }).output();
      const seen = new TextDecoder().decode(stdout).trimEnd().split("\n");
      assert.deepEqual(
        seen.map((line) => line.trim()),
        SEEN.map((line) => line.trim()),
        new TextDecoder().decode(stderr),
      );
    },
  );
} else {
  console.error("SKIPPED the package is installed: this user may not make a copy of the host");
}

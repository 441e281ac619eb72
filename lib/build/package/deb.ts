/**
 * Makes a Debian package of the single binary: `deno task deb [--binary PATH] [--output FILE]`. It
 * asks for nothing but dpkg-deb, and the same binary gives the same package: dates are that of the
 * version, or of SOURCE_DATE_EPOCH.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "@std/fmt/bytes";
import { VERSION, VERSION_DATE } from "../../version.ts";
import { compile } from "../compile.ts";
import { dependsOf } from "./depends.ts";
import { readNeeds } from "./elf.ts";
import { BINARY, CONFIG, packageFiles } from "./files.ts";
import { SCRIPTS } from "./scripts.ts";
import { given } from "./words.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MAINTAINER = "The vuswitch authors <vuswitch@localhost>";

const DESCRIPTION = `switch for virtual machines' network devices (vhost-user-net)
 QEMU, libvirt, Cloud Hypervisor and DPDK connect a virtual machine's network
 device to a Unix socket, one for each port. The switch serves their virtqueues,
 learns where MAC addresses live, and moves every frame in one copy from the
 sender's memory into the receiver's.`;

/** When it is made, seconds since 1970. @throws SOURCE_DATE_EPOCH is no number */
function epoch(): number {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given === undefined || given === "") return Date.parse(VERSION_DATE) / 1000;
  if (/^\d{1,11}$/.test(given)) return Number(given);
  throw new Error(`SOURCE_DATE_EPOCH ${given} must be seconds since 1970`);
}

/** As Debian's own tools take it. */
function maintainer(): string {
  const [name, mail] = [Deno.env.get("DEBFULLNAME"), Deno.env.get("DEBEMAIL")];
  return name && mail ? `${name} <${mail}>` : MAINTAINER;
}

/** A folder in which files are laid out as they will be installed. */
class Tree {
  readonly #root: string;
  readonly #seconds: number;
  readonly #sums: string[] = [];
  #bytes = 0;

  constructor(root: string, seconds: number) {
    this.#root = root;
    this.#seconds = seconds;
  }

  /** Of all files, rounded up each, KiB. */
  get kib(): number {
    return this.#bytes / 1024;
  }

  /** The list of all files but configuration and dpkg's own, for md5sum -c. */
  get sums(): string {
    return this.#sums.toSorted().map((line) => `${line.slice(line.indexOf(" ") + 1)}\n`).join("");
  }

  async write(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const to = this.#root + path;
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.writeFile(to, bytes);
    await Deno.chmod(to, mode);
    await Deno.utime(to, this.#seconds, this.#seconds);
    if (path.startsWith("/DEBIAN/")) return;
    this.#bytes += 1024 * Math.ceil(bytes.length / 1024);
    const sum = createHash("md5").update(bytes).digest("hex");
    if (path !== CONFIG) this.#sums.push(`${path} ${sum}  ${path.slice(1)}`);
  }

  /** Copies a folder's files. */
  async copy(from: string, to: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(from)) {
      if (isDirectory) await this.copy(`${from}/${name}`, `${to}/${name}`);
      else await this.write(`${to}/${name}`, await Deno.readFile(`${from}/${name}`));
    }
  }

  /** Folders are for everybody to read, and of the same date as their files. */
  async finish(folder: string = this.#root): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) await this.finish(`${folder}/${name}`);
    }
    await Deno.chmod(folder, 0o755);
    await Deno.utime(folder, this.#seconds, this.#seconds);
  }
}

/**
 * Packs a binary. @param output a file, or a folder in which it gets its usual name
 * @returns the file @throws naming what failed
 */
export async function makeDeb(binary: string, output: string): Promise<string> {
  const bytes = await Deno.readFile(binary);
  const needs = readNeeds(bytes);
  const seconds = epoch();
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  try {
    const tree = new Tree(folder, seconds);
    await tree.write(BINARY, bytes, 0o755);
    const licence = await Deno.readTextFile(`${ROOT}LICENSE`);
    const files = packageFiles({ maintainer: maintainer(), epoch: seconds, licence });
    for (const [path, data] of Object.entries(files)) await tree.write(path, data);
    for (const name of ["README.md", "SECURITY.md"]) {
      await tree.write(`/usr/share/doc/vuswitch/${name}`, await Deno.readFile(ROOT + name));
    }
    await tree.copy(`${ROOT}docs`, "/usr/share/doc/vuswitch/docs");
    const control = {
      Package: "vuswitch",
      Version: VERSION,
      Architecture: needs.architecture,
      Maintainer: maintainer(),
      "Installed-Size": Math.ceil(tree.kib),
      Depends: dependsOf(needs),
      Suggests: "qemu-system, nftables, dnsmasq-base, frr",
      Section: "net",
      Priority: "optional",
      Description: DESCRIPTION,
    };
    const lines = Object.entries(control).map(([name, value]) => `${name}: ${value}\n`);
    await tree.write("/DEBIAN/control", lines.join(""));
    await tree.write("/DEBIAN/conffiles", `${CONFIG}\n`);
    await tree.write("/DEBIAN/md5sums", tree.sums);
    for (const [name, text] of Object.entries(SCRIPTS)) {
      await tree.write(`/DEBIAN/${name}`, text, 0o755);
    }
    await tree.finish();
    return await pack(folder, output, `vuswitch_${VERSION}_${needs.architecture}.deb`, seconds);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** One thread: with more of them the bytes are others. zstd: dpkg reads it since Debian 12. */
async function pack(
  folder: string,
  output: string,
  name: string,
  seconds: number,
): Promise<string> {
  const isFolder = await Deno.stat(output).then(({ isDirectory }) => isDirectory, () => false);
  const file = isFolder ? `${output}/${name}` : output;
  const { code, stderr } = await new Deno.Command("dpkg-deb", {
    args: ["--root-owner-group", "-Zzstd", "-z3", "--threads-max=1", "--build", folder, file],
    env: { SOURCE_DATE_EPOCH: String(seconds) },
  }).output();
  if (code !== 0) throw new Error(`dpkg-deb failed: ${new TextDecoder().decode(stderr).trim()}`);
  return file;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  try {
    const binary = given("--binary") ?? `${folder}/vuswitch`;
    if (given("--binary") === undefined) await compile(binary);
    const file = await makeDeb(binary, resolve(given("--output") ?? "."));
    console.log(`${file}: ${format(Deno.statSync(file).size, { binary: true })}`);
  } catch (error) {
    console.error(`Cannot make a package: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

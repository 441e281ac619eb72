/**
 * Programs that NAT needs: where they are, which package has them, and running one to its end.
 *
 * @module
 */
import { networkDevice, setNetworkDeviceMtu, SystemError } from "../../../ffi/mod.ts";
import { ControlError } from "../types.ts";

/** Debian packages of the programs. */
const PACKAGES: Readonly<Record<Program, string>> = {
  dnsmasq: "dnsmasq-base",
  nft: "nftables",
  passt: "passt",
  slirp4netns: "slirp4netns",
};

/** A program. */
export type Program = "dnsmasq" | "nft" | "passt" | "slirp4netns";

/** Looked into behind those of $PATH: users' paths may lack what is for root. */
const FOLDERS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

/** Path of a program, or null. @param folders to look into, first to last */
export function findProgram(program: Program, folders = programFolders()): string | null {
  return folders.map((folder) => `${folder}/${program}`).find(isProgram) ?? null;
}

function programFolders(): string[] {
  const own = (Deno.env.get("PATH") ?? "").split(":").filter((each) => each.startsWith("/"));
  return [...new Set([...own, ...FOLDERS])];
}

/** Paths of all of these. @throws {ControlError} naming the packages of those that are missing */
export function needPrograms<P extends Program>(...programs: readonly P[]): Record<P, string> {
  const found = programs.map((program) => [program, findProgram(program)] as const);
  const missing = found.flatMap(([program, path]) => path === null ? [program] : []);
  if (missing.length === 0) return Object.fromEntries(found) as Record<P, string>;
  const packages = missing.map((program) => PACKAGES[program]);
  throw new ControlError(
    "failed",
    `NAT needs ${missing.join(" and ")}, and ${
      missing.length === 1 ? "it is" : "they are"
    } not here`,
    `apt-get install ${packages.join(" ")}`,
  );
}

/** The program that does NAT for a user. @throws {ControlError} there is none */
export function needUserNat(): { program: "slirp4netns" | "passt"; path: string } {
  for (const program of ["slirp4netns", "passt"] as const) {
    const path = findProgram(program);
    if (path !== null) return { program, path };
  }
  throw new ControlError(
    "failed",
    "NAT without CAP_NET_ADMIN needs slirp4netns (or passt, for one guest), and neither is here",
    "apt-get install slirp4netns",
  );
}

/** To bind ports below 1024, to set up the network, to speak with who has no address yet. */
const CAPABILITIES = [10, 12, 13];

/** Whether this process may make devices, tables and name servers in its network namespace. */
export function mayMakeNetworks(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  if (!CAPABILITIES.every((bit) => (effective >> BigInt(bit)) & 1n)) return false;
  try {
    // Capabilities may be those of a user namespace that the network is not of: this changes nothing.
    const mtu = networkDevice("lo")?.mtu;
    if (mtu !== undefined) setNetworkDeviceMtu("lo", mtu);
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}

/** Runs a program to its end: what it needs is a few ms. @throws {ControlError} with its words */
export function runProgram(path: string, ...args: readonly string[]): string {
  const child = new Deno.Command(path, {
    args: [...args],
    stdin: "null",
    env: { LC_ALL: "C" },
  }).outputSync();
  const text = new TextDecoder();
  if (child.success) return text.decode(child.stdout);
  const name = path.slice(path.lastIndexOf("/") + 1);
  const [why = ""] = text.decode(child.stderr).trim().split("\n");
  throw new ControlError("failed", `${name}: ${why || `exit ${child.code}`}`);
}

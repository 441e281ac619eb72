/**
 * Faults to be planted: which line of the code becomes what, and which fuzzer, or which test where
 * no fuzzer comes by, must notice.
 *
 * @module
 */
import { dirname } from "node:path";

const ROOT = new URL("../../", import.meta.url).pathname;
/** What the fuzzers need of the project. */
const PARTS = [
  ...["deno.json", "deno.lock", "ffi", "lib", "tests/fuzz", "tests/unit/vhost"],
  ...["tests/unit/control", "tests/harness", "tests/model"],
];
/** A fault must be found within as many cases; most are in a tenth of that. */
const CASES_MAX = 20_000;
const SEED = 7;

/** One fault. */
export interface Mutant {
  /** The fuzzer by name, or the file of the test. */
  readonly by: string;
  /** Found in a moment: tried on every change. */
  readonly quick: boolean;
  readonly name: string;
  readonly file: string;
  /** A piece of code that stands there once. */
  readonly from: string;
  readonly to: string;
}

/** The faults. */
export const MUTANTS: readonly Mutant[] = [
  {
    by: "rings",
    quick: true,
    name: "a receive buffer counts that was not translated",
    file: "lib/virtio/split/chain.ts",
    from: "    if (length < 0 && deviceWrites !== 0) return fail(RING_BAD_ADDRESS);\n",
    to: "",
  },
  {
    by: "rings",
    quick: false,
    name: "a descriptor's length is read twice",
    file: "lib/virtio/split/frames.ts",
    from: "walk[WALK_BYTES] = length;",
    to: "walk[WALK_BYTES] = desc[4 * head + 2]!;",
  },
  {
    by: "rings",
    quick: true,
    name: "only the start of a range is checked",
    file: "lib/virtio/memory/guest_memory.ts",
    from: "sizeBytes <= slots[slot + SLOT_END]! - inGranule",
    to: "inGranule < slots[slot + SLOT_END]!",
  },
  {
    by: "rings",
    quick: true,
    name: "used packed descriptors do not say that the device wrote",
    file: "lib/virtio/packed/used.ts",
    from: "written > 0 ? flags | VRING_DESC_F_WRITE : flags",
    to: "flags",
  },
  {
    by: "rings",
    quick: true,
    name: "of a plain frame only the start is checked",
    file: "lib/virtio/split/plain.ts",
    from: "if (at < start || length > end - at ||",
    to: "if (at < start || at > end ||",
  },
  {
    by: "rings",
    quick: false,
    name: "of a plain buffer only the start is checked",
    file: "lib/virtio/packed/plain.ts",
    from: "if (at < start || bytes > end - at ||",
    to: "if (at < start || at > end ||",
  },
  {
    by: "rings",
    quick: true,
    name: "a checksum may lie behind its frame",
    file: "lib/offload/open.ts",
    from: "end < HEAD_BYTES + 2 || least > bytes || ",
    to: "end < HEAD_BYTES + 2 || ",
  },
  {
    by: "rings",
    quick: false,
    name: "of a large frame other headers are delivered than were checked",
    file: "lib/offload/open.ts",
    from: "  keepHeaders(frame, end);\n",
    to: "",
  },
  {
    by: "tests/model/offload_test.ts",
    quick: false,
    name: "segments of IPv4 keep the number of the first",
    file: "lib/offload/make.ts",
    from: "getUint16(ip + IPV4_IDENTIFICATION) + segments;",
    to: "getUint16(ip + IPV4_IDENTIFICATION) + 0 * segments;",
  },
  {
    by: "tests/model/plain_test.ts",
    quick: true,
    name: "of a plain frame's address the upper bits do not count",
    file: "lib/virtio/split/plain.ts",
    from: "& ANY_DESC_FLAG) !== 0 || high >>> HIGH_BITS !== 0) break;",
    to: "& ANY_DESC_FLAG) !== 0) break;",
  },
  {
    by: "tests/model/crash_test.ts",
    quick: true,
    name: "nor do those that an earlier process had begun to write",
    file: "lib/virtio/packed/recovery.ts",
    from: " | (written ? VRING_DESC_F_WRITE : 0)",
    to: "",
  },
  {
    by: "session",
    quick: true,
    name: "an old kick descriptor is not closed",
    file: "lib/vhost/requests/rings.ts",
    from: "  if (vring.kickFd >= 0) device.host.closeFd(vring.kickFd);\n",
    to: "",
  },
  {
    by: "session",
    quick: false,
    name: "rings run on whose memory goes away",
    file: "lib/vhost/device.ts",
    from: "if (vring.running && !staysIn(this, vring, next)) this.suspend(index);",
    to: "",
  },
  {
    by: "bytes",
    quick: true,
    name: "descriptors of an unfinished message are kept",
    file: "lib/control/front_end/connection.ts",
    from: "    for (const fd of this.#fds) this.#host.closeFd(fd);\n",
    to: "",
  },
  {
    by: "bytes",
    quick: false,
    name: "a memory table refused half-way stays mapped",
    file: "lib/control/front_end/guest_memory.ts",
    from: "for (const done of mapped) this.#pool.release(done);",
    to: "",
  },
  {
    by: "streams",
    quick: true,
    name: "a stream whose end is told in vain is not told of again",
    file: "lib/switch/stream/stream_lane.ts",
    from: "      if (this.#untold) this.#tell(path);\n",
    to: "",
  },
  {
    by: "http",
    quick: true,
    name: "bytes that are moved to the front are counted from where they were",
    file: "lib/control/api/incoming.ts",
    from: "      this.#end = have.length;\n",
    to: "",
  },
  {
    by: "words",
    quick: true,
    name: "a path that cannot be decoded is an internal error",
    file: "lib/control/api/routes.ts",
    from: 'throw new ControlError("invalid", `${path} has',
    to: 'throw new Error("x" + `${path} has',
  },
  {
    by: "words",
    quick: false,
    name: "a fault of TOML is an internal error",
    file: "lib/control/config/read_config.ts",
    from: "if (!(error instanceof TomlError)) throw error;",
    to: "throw error;",
  },
];

/** Copies a file or a folder. */
export async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(dirname(to), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}

/** Gives a copy of the code in which a fault can be planted and looked for. */
export async function plant(
  use: (tryMutant: (mutant: Mutant) => Promise<{ code: number; output: string }>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-mutants-" });
  try {
    for (const part of PARTS) await copy(ROOT + part, `${folder}/${part}`);
    await use(async ({ by, file, from, to }) => {
      const path = `${folder}/${file}`;
      const source = await Deno.readTextFile(path);
      const places = source.split(from).length - 1;
      if (places !== 1) throw new Error(`${file} has ${places} places with: ${from}`);
      await Deno.writeTextFile(path, source.replace(from, () => to));
      const found = await look(folder, by);
      await Deno.writeTextFile(path, source);
      return found;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs who must notice. @returns exit code 1 if it did, and what it said */
async function look(folder: string, by: string): Promise<{ code: number; output: string }> {
  const bounds = [
    "--seed",
    String(SEED),
    "--cases",
    String(CASES_MAX),
    "--patience",
    "0.5",
    "--as-found",
  ];
  const args = by.endsWith(".ts")
    ? ["test", "-A", "--no-check", by]
    : ["run", "-A", "--no-check", "tests/fuzz/main.ts", by, ...bounds];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/**
 * Which files have validations that a test must miss, and which tests that may be: those without
 * sockets and processes.
 *
 * @module
 */

/** Files, and the tests that are about them. */
export interface Theme {
  readonly name: string;
  /** Files, or folders that end with a slash. */
  readonly files: readonly string[];
  /** Files of tests, or folders that end with a slash. */
  readonly tests: readonly string[];
}

/** The nearest first. */
const RING_TESTS: readonly string[] = [
  ...["tests/unit/offload/", "tests/unit/virtio/"],
  ...["bad_chains", "offload_rules", "ring", "offload", "odd_buffers", "plain", "translations"],
  ...["offload_ways", "vlan_offload", "iommu", "dirty_log", "dirty_log_iommu", "drivers", "crash"],
  ...["long_bursts", "long_chains", "lost_page"].map((name) => `tests/unit/switch/${name}_test.ts`),
  ...["tests/unit/switch/stalled/", "tests/fuzz/fuzz_test.ts"],
].map((name) => name.includes("/") ? name : `tests/model/${name}_test.ts`);

/** What is looked at. */
export const THEMES: readonly Theme[] = [
  {
    name: "messages",
    files: ["lib/vhost/wire/", "lib/vhost/requests/", "lib/vhost/session.ts"],
    tests: [
      ...["tests/unit/vhost/", "tests/fuzz/fuzz_test.ts"],
      "tests/unit/control/front_end/back_end_link_test.ts",
    ],
  },
  {
    name: "rings",
    files: [
      ...["lib/virtio/split/", "lib/virtio/packed/", "lib/virtio/memory/", "lib/virtio/inflight/"],
      ...["lib/virtio/bad_chain.ts", "lib/virtio/plain.ts", "lib/virtio/net_header.ts"],
      ...["lib/virtio/offloads.ts", "lib/offload/"],
    ],
    tests: RING_TESTS,
  },
];

/** The files of a list of files and folders, of a project in `root`. */
export function filesOf(root: string, places: readonly string[], end: string): string[] {
  const files = places.flatMap((place): string[] => {
    if (!place.endsWith("/")) return [place];
    return Array.from(Deno.readDirSync(root + place)).flatMap(({ name, isDirectory }) => {
      if (isDirectory) return filesOf(root, [`${place}${name}/`], end);
      return name.endsWith(end) ? [`${place}${name}`] : [];
    });
  });
  return files.sort();
}

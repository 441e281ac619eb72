/**
 * Foreign peers: tests that need them are skipped, loudly, where they are not installed, and fail
 * where VUSWITCH_REQUIRE_PEERS=1 says that they must run.
 *
 * @module
 */

/** Whether the real-peer suites must run. */
export const PEERS_REQUIRED: boolean = Deno.env.get("VUSWITCH_REQUIRE_PEERS") === "1";

/** Registers a test that needs Debian packages; `missing` names those that are not there. */
export function peerTest(
  name: string,
  missing: readonly string[],
  run: (t: Deno.TestContext) => Promise<void>,
): void {
  if (missing.length > 0) {
    const words = `apt-get install ${missing.join(" ")}`;
    console.error(`SKIPPED ${name}: ${words}`);
    Deno.test({
      name: `${name} (needs ${missing.join(", ")})`,
      ignore: !PEERS_REQUIRED,
      fn: () => {
        throw new Error(`A required peer is missing: ${words}`);
      },
    });
    return;
  }
  Deno.test({ name, fn: run });
}

/** Whether a program is on the path of the system. */
export function hasProgram(name: string): boolean {
  return ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

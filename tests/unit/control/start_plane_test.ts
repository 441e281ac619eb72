/** What is said when a data plane starts, and what becomes of memory that can lose pages. */
import { strict as assert } from "node:assert";
import { memoryGuard } from "../../../ffi/mod.ts";
import { startPlane } from "../../../lib/control/start_plane.ts";
import type { SwitchConfig } from "../../../lib/control/types.ts";
import { keptLog } from "./support.ts";

const CONFIG: SwitchConfig = {
  ...{ ports: [], links: [], controlPath: null, socketMode: 0o600, socketGroup: null },
  ...{ cpus: [], idle: "sleep", fdbAgeSeconds: 0, fdbEntriesMax: 64, fdbPortEntriesMax: 64 },
};

async function started(
  unsealedMemory: SwitchConfig["unsealedMemory"],
  install = memoryGuard,
): Promise<{ unsealed: string; guarded: boolean; said: string[] }> {
  const { logger, lines } = keptLog();
  const config = unsealedMemory === undefined ? CONFIG : { ...CONFIG, unsealedMemory };
  const { thread, unsealed } = await startPlane(config, logger, install);
  const guarded = thread.guard !== null;
  thread.shutdown();
  return { unsealed, guarded, said: lines.filter((line) => line.startsWith("no-guard")) };
}

function none(): never {
  throw new Error("mprotect failed with EACCES");
}

Deno.test("memory that can lose pages is guarded, or refused, or taken as it is", async () => {
  const guarded = { unsealed: "take", guarded: true, said: [] };
  assert.deepEqual(await started(undefined), guarded);
  assert.deepEqual(await started("guard"), guarded);
  assert.deepEqual(await started("refuse", none), { unsealed: "refuse", guarded: false, said: [] });
  assert.deepEqual(await started("allow", none), { unsealed: "take", guarded: false, said: [] });
});

Deno.test("where there can be no guard, that is said, and such memory is refused", async () => {
  const { unsealed, guarded, said } = await started("guard", none);
  assert.deepEqual([unsealed, guarded, said.length], ["refuse", false, 1]);
  assert.match(said[0] ?? "", /unsealed-memory=refuse is in force.*mprotect failed with EACCES/);
});

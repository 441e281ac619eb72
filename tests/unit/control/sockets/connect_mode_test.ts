/** Why a port that connects waits, in words. */
import { strict as assert } from "node:assert";
import { closeFd, listenUnix } from "../../../../ffi/mod.ts";
import type { TenantFds } from "../../../../lib/control/front_end/tenant_fds.ts";
import { ConnectingSocket } from "../../../../lib/control/sockets/connect_mode.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";
import { TempFolder } from "../../../harness/temp.ts";

/** Tries once, and says why it has to wait. */
async function reasonAt(
  path: string,
  options: Partial<PortConfig> = {},
): Promise<string | undefined> {
  let attempt: Promise<void> | undefined;
  const fds = {
    run: (job: () => Promise<void>) => void (attempt = job()),
    close: closeFd,
  } as unknown as TenantFds;
  const socket = new ConnectingSocket({ name: "a", path, ...options }, fds, {
    mayTake: () => true,
    take: () => null,
    refuse: closeFd,
    failed: () => {},
    log: () => {},
  });
  socket.open(false);
  await attempt;
  const reason = socket.retry?.reason;
  socket.close();
  return reason;
}

Deno.test("what keeps a port from connecting is said as it is", async () => {
  using folder = new TempFolder();
  const at = (name: string): string => folder.file(name);
  Deno.writeTextFileSync(at("file"), "");
  Deno.mkdirSync(at("folder"));
  Deno.symlinkSync("round", at("round"));
  Deno.symlinkSync("nowhere", at("nowhere-yet"));
  closeFd(listenUnix(at("dead")));
  for (
    const [name, reason] of [
      ["none", "there is no such socket"],
      ["nowhere-yet", "there is no such socket"],
      ["dead", "nobody listens there, or for others"],
      ["file", "it is not a socket"],
      ["folder", "it is not a socket"],
      ["file/vm", "a part of its path is no folder"],
      ["round", "links of its path go round"],
      ["round/vm", "links of its path go round"],
    ] as const
  ) assert.equal(await reasonAt(at(name)), reason, name);
});

Deno.test("who listens for a port that names users is one of them", async () => {
  using folder = new TempFolder();
  const path = folder.file("live");
  const listener = listenUnix(path);
  const own = Deno.uid() ?? 0;
  assert.equal(await reasonAt(path, { peerUids: [own + 1, own] }), undefined);
  assert.equal(
    await reasonAt(path, { peerUids: [own + 1] }),
    `somebody listens and is of user ${own}, which peer-uid= does not name`,
  );
  closeFd(listener);
});

/** Why a port that connects waits, in words. */
import { strict as assert } from "node:assert";
import { closeFd, listenUnix } from "../../../../ffi/mod.ts";
import type { TenantFds } from "../../../../lib/control/front_end/tenant_fds.ts";
import { ConnectingSocket } from "../../../../lib/control/sockets/connect_mode.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";
import { SocketWatch } from "../../../../lib/control/sockets/socket_watch.ts";
import { TempFolder } from "../../../harness/temp.ts";

/** Tries once, and says why it has to wait. */
async function reasonAt(
  path: string,
  options: Partial<PortConfig> = {},
  isOurs: (fd: number) => boolean = () => false,
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
  }, isOurs);
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
      ["nowhere-yet", "it is a symbolic link: name the socket itself"],
      ["dead", "nobody listens there, or for others"],
      ["file", "it is not a socket"],
      ["folder", "it is not a socket"],
      ["file/vm", "a part of its path is no folder"],
      ["round", "it is a symbolic link: name the socket itself"],
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

Deno.test("links that a tenant could make are not followed, others on the way are", async () => {
  using folder = new TempFolder();
  const at = (name: string): string => folder.file(name);
  Deno.mkdirSync(at("real"));
  Deno.symlinkSync("./real", at("way"));
  const listener = listenUnix(at("real/vm.sock"));
  Deno.symlinkSync("vm.sock", at("real/link.sock"));
  assert.equal(await reasonAt(at("way/vm.sock")), undefined, "connected");
  assert.equal(await reasonAt(at("way/../way/vm.sock")), undefined);
  const link = "it is a symbolic link: name the socket itself";
  assert.equal(await reasonAt(at("real/link.sock")), link);
  assert.equal(await reasonAt(at("way/link.sock")), link);
  if (Deno.uid() === 0) {
    const { success } = await new Deno.Command("chown", { args: ["-h", "12345", at("way")] })
      .output();
    assert(success);
    const reason = await reasonAt(at("way/vm.sock"));
    assert.equal(reason, `${Deno.realPathSync(folder.path)}/way is a symbolic link of user 12345`);
  }
  closeFd(listener);
});

Deno.test("a socket of this switch is not connected to, whatever leads there", async () => {
  using folder = new TempFolder();
  const listener = listenUnix(folder.file("vm.sock"));
  const watch = new SocketWatch();
  const isOurs = (fd: number): boolean => watch.isOurs(fd);
  assert.equal(await reasonAt(folder.file("vm.sock"), {}, isOurs), undefined, "another process's");
  const file = { path: folder.file("vm.sock"), isLost: false, look: () => {} };
  watch.add(file);
  Deno.linkSync(folder.file("vm.sock"), folder.file("other.sock"));
  for (const name of ["vm.sock", "other.sock"]) {
    assert.equal(
      await reasonAt(folder.file(name), {}, isOurs),
      "its path leads to a socket of this switch",
    );
  }
  watch.remove(file);
  closeFd(listener);
});

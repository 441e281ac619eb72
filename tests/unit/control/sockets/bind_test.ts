/** Listening sockets: permissions, paths in use, and leaving alone what is not ours. */
import { strict as assert } from "node:assert";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  EAGAIN,
  ENOMEM,
  ENOSPC,
  EROFS,
  isSocketHeld,
  listenUnix,
  SystemError,
} from "../../../../ffi/mod.ts";
import {
  bindError,
  listenAt,
  socketIdentity,
  unlinkSocket,
} from "../../../../lib/control/sockets/bind.ts";
import { ControlError } from "../../../../lib/control/types.ts";

const ACCESS = { mode: 0o660, group: null };

function inFolder(run: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-listener-" });
  const mask = Deno.umask();
  try {
    run(folder);
    assert.equal(Deno.umask(), mask, "the mask is as it was");
  } finally {
    Deno.chmodSync(folder, 0o700);
    Deno.removeSync(folder, { recursive: true });
  }
}

function refused(path: string, text: RegExp): void {
  const before = Array.from(Deno.readDirSync("/proc/self/fd")).length;
  assert.throws(() => listenAt(path, ACCESS), (error) => {
    assert(error instanceof ControlError, String(error));
    assert.equal(error.kind, "invalid");
    assert.match(error.message, text);
    assert(error.hint !== null && !error.message.includes("\n"), "one line and a fix");
    return true;
  });
  assert.equal(
    Array.from(Deno.readDirSync("/proc/self/fd")).length,
    before,
    "no descriptor is left",
  );
}

Deno.test("listenAt() gives a socket exactly its mode, whatever the mask", () =>
  inFolder((folder) => {
    for (const mask of [0o000, 0o077, 0o777]) {
      for (const mode of [0o600, 0o660, 0o666, 0o777]) {
        const path = `${folder}/${mode}-${mask}`;
        const old = Deno.umask(mask);
        const fd = listenAt(path, { mode, group: null });
        Deno.umask(old);
        assert.equal((Deno.lstatSync(path).mode as number) & 0o7777, mode);
        const client = connectUnix(path);
        closeFd(acceptUnix(fd));
        closeFd(client);
        closeFd(fd);
      }
    }
  }));

Deno.test("listenAt() gives a socket to a group by name or number", () =>
  inFolder((folder) => {
    const gid = Deno.gid() as number;
    const name = Deno.readTextFileSync("/etc/group").split("\n")
      .map((line) => line.split(":")).find((fields) => Number(fields[2]) === gid)?.[0];
    for (const group of [String(gid), ...(name ? [name] : [])]) {
      const fd = listenAt(`${folder}/${group}`, { mode: 0o660, group });
      assert.equal(Deno.lstatSync(`${folder}/${group}`).gid, gid);
      closeFd(fd);
    }
    assert.throws(
      () => listenAt(`${folder}/x`, { mode: 0o660, group: "no-such-group-at-all" }),
      /no such group/,
    );
    assert.equal(socketIdentity(`${folder}/x`), null, "nothing was bound");
  }));

Deno.test("listenAt() replaces the socket of a server that died", () =>
  inFolder((folder) => {
    const path = `${folder}/stale`;
    closeFd(listenUnix(path));
    const fd = listenAt(path, ACCESS);
    const client = connectUnix(path);
    const accepted = acceptUnix(fd);
    assert(accepted >= 0);
    for (const each of [client, accepted, fd]) closeFd(each);
  }));

Deno.test("listenAt() leaves a live server alone, also one with a full backlog", () =>
  inFolder((folder) => {
    const path = `${folder}/live`;
    const server = listenUnix(path, 0);
    const identity = socketIdentity(path);
    const clients: number[] = [];
    refused(path, /belongs to a running server/);
    try {
      for (let i = 0; i < 10; i++) clients.push(connectUnix(path));
    } catch {
      // The backlog is full.
    }
    assert(clients.length < 10);
    refused(path, /belongs to a running server/);
    assert.equal(socketIdentity(path), identity);
    for (const client of clients) closeFd(client);
    closeFd(server);
  }));

Deno.test("listenAt() asks whether a server lives without its noticing", () =>
  inFolder((folder) => {
    const path = `${folder}/live`;
    const server = listenUnix(path);
    refused(path, /belongs to a running server/);
    assert.equal(acceptUnix(server), -EAGAIN, "nobody has connected");
    closeFd(server);
    assert.equal(isSocketHeld(path), false);
  }));

Deno.test("listenAt() never removes what is no socket", () =>
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "keep me");
    Deno.mkdirSync(`${folder}/folder`);
    Deno.symlinkSync(`${folder}/file`, `${folder}/link`);
    Deno.symlinkSync(`${folder}/nowhere`, `${folder}/dangling`);
    closeFd(listenUnix(`${folder}/stale`));
    Deno.symlinkSync(`${folder}/stale`, `${folder}/link-to-stale`);
    for (const name of ["file", "folder", "link", "dangling", "link-to-stale"]) {
      refused(`${folder}/${name}`, /exists and is not a socket/);
    }
    assert.equal(Deno.readTextFileSync(`${folder}/link`), "keep me");
    assert(socketIdentity(`${folder}/stale`) !== null);
    assert(Deno.lstatSync(`${folder}/dangling`).isSymlink);
  }));

Deno.test("listenAt() names the fix for paths that cannot be", () =>
  inFolder((folder) => {
    refused("", /empty path/);
    const fits = `${folder}/${"x".repeat(107 - folder.length - 1)}`;
    closeFd(listenAt(fits, ACCESS));
    refused(`${fits}x`, /at most 107 bytes/);
    // The limit is bytes, not characters.
    refused(`${fits.slice(0, -1)}ä`, /at most 107 bytes/);
    refused(`${folder}/a\0b`, /no NUL/);
    refused(`${folder}/missing/x.sock`, /folder .*missing does not exist/);
    Deno.writeTextFileSync(`${folder}/file`, "");
    refused(`${folder}/file/x.sock`, /is not a folder/);
  }));

Deno.test("listenAt() changes nothing but its socket, whatever its path leads to by then", () =>
  inFolder((folder) => {
    const path = `${folder}/vm`;
    const victim = `${folder}/victim`;
    const umask = Deno.umask;
    const swaps: ((path: string) => void)[] = [
      (path) => Deno.symlinkSync(victim, path),
      (path) => Deno.linkSync(victim, path),
      (path) => Deno.writeTextFileSync(path, ""),
    ];
    for (const swap of swaps) {
      Deno.writeTextFileSync(victim, "");
      Deno.chmodSync(victim, 0o600);
      let calls = 0;
      // The mask is put back when the socket is bound, and before it gets its mode.
      Deno.umask = (mask?: number): number => {
        if (++calls === 2) {
          Deno.removeSync(path);
          swap(path);
        }
        return umask(mask);
      };
      try {
        refused(path, /it was replaced while it was made/);
      } finally {
        Deno.umask = umask;
      }
      assert.equal((Deno.statSync(victim).mode ?? 0) & 0o777, 0o600);
      Deno.removeSync(path);
      Deno.removeSync(victim);
    }
  }));

Deno.test("listenAt() puts back what took a stale socket's place while it looked", () =>
  inFolder((folder) => {
    const path = `${folder}/vm`;
    closeFd(listenUnix(path));
    // A stale one is older; its inode number may be the next one's.
    Deno.utimeSync(path, 1, 1);
    const rename = Deno.renameSync;
    let live = -1;
    Deno.renameSync = (from, to): void => {
      Deno.removeSync(path);
      live = listenUnix(path);
      rename(from, to);
    };
    try {
      assert.throws(() => listenAt(path, ACCESS), /belongs to a running server/);
    } finally {
      Deno.renameSync = rename;
    }
    const client = connectUnix(path);
    const accepted = acceptUnix(live);
    assert(accepted >= 0, "it is found as before");
    for (const fd of [client, accepted, live]) closeFd(fd);
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["vm"]);
  }));

Deno.test("unlinkSocket() removes the socket it is told of and no other", () =>
  inFolder((folder) => {
    const path = `${folder}/ours`;
    const ours = listenAt(path, ACCESS);
    const identity = socketIdentity(path);
    // Somebody else removes it and puts another one there while ours still lives.
    Deno.renameSync(path, `${folder}/moved`);
    const theirs = listenUnix(path);
    unlinkSocket(path, identity);
    assert(socketIdentity(path) !== null);
    unlinkSocket(`${folder}/moved`, identity);
    assert.equal(socketIdentity(`${folder}/moved`), null);
    Deno.removeSync(path);
    Deno.writeTextFileSync(path, "");
    unlinkSocket(path);
    assert(Deno.lstatSync(path).isFile);
    unlinkSocket(`${folder}/never-there`);
    closeFd(ours);
    closeFd(theirs);
  }));

Deno.test("listenAt() says of a link that leads to itself where to look", () =>
  inFolder((folder) => {
    Deno.symlinkSync("round", `${folder}/round`);
    refused(`${folder}/round/vm`, /links of .*\/round lead to one another/);
  }));

Deno.test("whatever keeps a socket from being bound has a fix, and a name in words", () => {
  for (
    const [code, name, why] of [
      [EROFS, "EROFS", /file system of \/run\/vm is read-only/],
      [ENOSPC, "ENOSPC", /file system of \/run\/vm has no room/],
      [ENOMEM, "ENOMEM", /bind failed with ENOMEM/],
    ] as const
  ) {
    for (
      const error of [new SystemError("bind", code), Object.assign(new Error(), { code: name })]
    ) {
      const told = bindError("/run/vm/a.sock", error);
      assert(told instanceof ControlError, name);
      if (error instanceof SystemError || code !== ENOMEM) assert.match(told.message, why);
      assert(told.hint !== null, name);
    }
  }
});

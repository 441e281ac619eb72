/** The default control socket: which one it is, and whose folder is trusted. */
import { strict as assert } from "node:assert";
import {
  defaultControlPath,
  makeControlFolder,
  trustedControlPath,
} from "../../../lib/cli/control_path.ts";
import { CliError, EXIT_PERMISSION } from "../../../lib/cli/failure.ts";
import { ControlError } from "../../../lib/control/types.ts";

const NAMES = ["VSW_CTL", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"];
/** Of nobody, so that no folder of it is in /tmp. */
const UID = 61_789;

/** As another user would run it, with this environment. */
function as(uid: number, env: Record<string, string>, run: () => void): void {
  const before = NAMES.map((name) => Deno.env.get(name));
  const realUid = Deno.uid;
  try {
    for (const name of NAMES) {
      if (env[name] === undefined) Deno.env.delete(name);
      else Deno.env.set(name, env[name]);
    }
    Deno.uid = () => uid;
    run();
  } finally {
    Deno.uid = realUid;
    NAMES.forEach((name, index) => {
      const value = before[index];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    });
  }
}

Deno.test("defaultControlPath() follows the environment, first of a list, absolute ones", () => {
  const cases: [number, Record<string, string>, string][] = [
    [0, {}, "/run/vuswitch/ctl.sock"],
    [0, { XDG_RUNTIME_DIR: "/run/user/0" }, "/run/vuswitch/ctl.sock"],
    [0, { RUNTIME_DIRECTORY: "/run/a" }, "/run/a/ctl.sock"],
    [0, { RUNTIME_DIRECTORY: "/run/a:/run/b:/run/c" }, "/run/a/ctl.sock"],
    [7, { RUNTIME_DIRECTORY: ":/run/b" }, "/run/b/ctl.sock"],
    [7, { RUNTIME_DIRECTORY: ":", VSW_CTL: "" }, "/tmp/vuswitch-7/vuswitch/ctl.sock"],
    [7, { RUNTIME_DIRECTORY: "/run/a", VSW_CTL: "/x:y" }, "/x:y"],
    [7, { XDG_RUNTIME_DIR: "/run/user/7" }, "/run/user/7/vuswitch/ctl.sock"],
    [7, { XDG_RUNTIME_DIR: "" }, "/tmp/vuswitch-7/vuswitch/ctl.sock"],
    [7, { XDG_RUNTIME_DIR: "run" }, "/tmp/vuswitch-7/vuswitch/ctl.sock"],
    [7, {}, "/tmp/vuswitch-7/vuswitch/ctl.sock"],
  ];
  for (const [uid, env, path] of cases) {
    as(uid, env, () => assert.equal(defaultControlPath(), path));
  }
});

const uid = Deno.uid() as number;

/** Both sides refuse the folder, in one line with a fix. */
function refused(text: RegExp): void {
  assert.throws(trustedControlPath, (error) => {
    assert(error instanceof CliError);
    assert.equal(error.exitCode, EXIT_PERMISSION);
    assert(text.test(error.message), error.message);
    assert(error.hint !== null && !error.message.includes("\n"));
    return true;
  });
  assert.throws(makeControlFolder, (error) => {
    assert(error instanceof ControlError);
    assert.equal(error.kind, "invalid");
    assert(text.test(error.message), error.message);
    return true;
  });
}

Deno.test("a folder in a session's place is refused unless it is closed and this user's", () => {
  const session = Deno.makeTempDirSync({ prefix: "vuswitch-session-" });
  const folder = `${session}/vuswitch`;
  // As /tmp is: whoever comes first may make any name in it.
  Deno.chmodSync(session, 0o1777);
  const user = uid === 0 ? UID : uid;
  const give = (path: string, to: number): void =>
    uid === 0 ? Deno.chownSync(path, to, to) : undefined;
  try {
    as(user, { XDG_RUNTIME_DIR: session }, () => {
      assert.equal(trustedControlPath(), `${folder}/ctl.sock`, "nothing is there to distrust");
      Deno.mkdirSync(folder);
      give(folder, user);
      Deno.chmodSync(folder, 0o755);
      assert.equal(trustedControlPath(), `${folder}/ctl.sock`);
      makeControlFolder();
      Deno.chmodSync(folder, 0o775);
      refused(/vuswitch: others may write in it \(mode 0775\)/);
      Deno.chmodSync(folder, 0o757);
      refused(/others may write in it/);
      // In a session's folder that is closed itself it does not matter.
      give(session, user);
      Deno.chmodSync(session, 0o700);
      assert.equal(trustedControlPath(), `${folder}/ctl.sock`);
      makeControlFolder();
      Deno.chmodSync(session, 0o1777);
      Deno.renameSync(folder, `${folder}.real`);
      Deno.symlinkSync(`${folder}.real`, folder);
      refused(/it is a symbolic link/);
      Deno.removeSync(folder);
      Deno.writeTextFileSync(folder, "");
      refused(/it is not a folder/);
    });
    Deno.removeSync(folder);
    Deno.mkdirSync(folder);
    as(user + 1, { XDG_RUNTIME_DIR: session }, () => refused(/it belongs to user \d+/));
  } finally {
    Deno.removeSync(session, { recursive: true });
  }
});

Deno.test("without a session the folder in /tmp is made for this user alone, whatever the mask", () => {
  if (uid === 0) {
    // A real user's folder is not to be touched: this one is made as root, for the test's number.
    for (const mask of [0, 0o022, 0o777]) {
      const folder = `/tmp/vuswitch-${UID}`;
      const old = Deno.umask(mask);
      try {
        as(UID, {}, () => assert.throws(makeControlFolder, /it belongs to user 0/));
        assert.equal((Deno.lstatSync(folder).mode ?? 0) & 0o7777, 0o700);
        Deno.chownSync(folder, UID, UID);
        as(UID, {}, () => {
          makeControlFolder();
          assert.equal(trustedControlPath(), `${folder}/vuswitch/ctl.sock`);
        });
        assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["vuswitch"]);
        Deno.chmodSync(folder, 0o750);
        as(UID, {}, () => refused(/others may use it \(mode 0750\)/));
      } finally {
        Deno.umask(old);
        Deno.removeSync(folder, { recursive: true });
      }
    }
  } else console.log("    skipped: this needs root");
});

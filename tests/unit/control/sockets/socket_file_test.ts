/** Socket files that are removed or replaced under who listens: noticed, said, and made again. */
import { canBeOther, OTHER_UID } from "../../../harness/other_user.ts";
import { strict as assert } from "node:assert";
import { acceptUnix, closeFd, connectUnix, EAGAIN, listenUnix } from "../../../../ffi/mod.ts";
import { bindSocket, socketIdentity } from "../../../../lib/control/sockets/bind.ts";
import { SocketFile } from "../../../../lib/control/sockets/socket_file.ts";
import { SocketWatch } from "../../../../lib/control/sockets/socket_watch.ts";

const ACCESS = { mode: 0o640, group: null };

/** A listener with a watched file; looks are the test's. */
class Bench {
  readonly watch = new SocketWatch();
  readonly lines: string[] = [];
  readonly path: string;
  readonly file: SocketFile;
  fd: number;
  binds = 0;

  constructor(path: string) {
    this.path = path;
    const { fd, identity } = bindSocket(path, ACCESS);
    this.fd = fd;
    this.file = new SocketFile(path, identity, this.watch, {
      bindAgain: () => {
        this.binds++;
        const bound = bindSocket(path, ACCESS);
        closeFd(this.fd);
        this.fd = bound.fd;
        return bound.identity;
      },
      log: (level, event, message) => this.lines.push(`${level} ${event} ${message}`),
    });
  }

  /** Whoever connects by the path gets here. */
  reaches(): void {
    const client = connectUnix(this.path);
    const accepted = acceptUnix(this.fd);
    assert(accepted >= 0, "the connection came to our socket");
    closeFd(accepted);
    closeFd(client);
  }

  close(): void {
    this.file.remove();
    closeFd(this.fd);
  }
}

function inFolder(run: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-file-" });
  try {
    run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function bench(run: (bench: Bench, folder: string) => void, name = "vm.sock"): void {
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/run`, { mode: 0o751 });
    const subject = new Bench(`${folder}/run/${name}`);
    try {
      run(subject, `${folder}/run`);
    } finally {
      subject.close();
    }
  });
}

Deno.test("a socket file that is removed is made again as it was, and said once", () =>
  bench((subject) => {
    subject.watch.look();
    assert.deepEqual([subject.binds, subject.lines], [0, []], "nothing happened yet");
    const before = socketIdentity(subject.path);
    Deno.removeSync(subject.path);
    subject.watch.look();
    assert.notEqual(socketIdentity(subject.path), before);
    assert.equal((Deno.lstatSync(subject.path).mode ?? 0) & 0o777, 0o640);
    assert.equal(subject.file.problem, null);
    assert.equal(subject.lines.length, 1);
    assert.match(
      subject.lines[0] ?? "",
      /^warn socket-gone socket .*vm\.sock was removed: .* made again/,
    );
    subject.reaches();
    subject.watch.look();
    assert.deepEqual([subject.binds, subject.lines.length], [1, 1]);
  }));

Deno.test("a socket file that is renamed is made again, and may come back", () =>
  bench((subject) => {
    Deno.renameSync(subject.path, `${subject.path}.old`);
    subject.watch.look();
    subject.reaches();
    // What comes back is a socket that nobody listens at any more.
    Deno.renameSync(`${subject.path}.old`, subject.path);
    subject.watch.look();
    subject.reaches();
    assert.equal(subject.file.problem, null);
    assert.match(subject.lines[1] ?? "", /was replaced: it is made again/);
  }));

Deno.test("a file that is put back before anybody looked is the same one", () =>
  bench((subject) => {
    Deno.renameSync(subject.path, `${subject.path}.old`);
    Deno.renameSync(`${subject.path}.old`, subject.path);
    subject.watch.look();
    assert.deepEqual([subject.binds, subject.lines], [0, []]);
    subject.reaches();
  }));

Deno.test("what is no socket stays, is told with the fix, and makes room when it goes", () => {
  const intruders: [string, (path: string) => void, (path: string) => boolean][] = [
    ["file", (path) => Deno.writeTextFileSync(path, "mine"), (path) => Deno.statSync(path).isFile],
    ["folder", (path) => Deno.mkdirSync(path), (path) => Deno.statSync(path).isDirectory],
    [
      "link",
      (path) => Deno.symlinkSync("/etc/hostname", path),
      (path) => Deno.lstatSync(path).isSymlink,
    ],
  ];
  for (const [name, put, stands] of intruders) {
    bench((subject) => {
      Deno.removeSync(subject.path);
      put(subject.path);
      for (let look = 0; look < 5; look++) subject.watch.look();
      assert(stands(subject.path), `the ${name} stands`);
      assert.equal(subject.file.problem?.code, "socket-gone");
      assert.match(
        subject.file.problem?.text ?? "",
        /was replaced, nobody finds it: .* not a socket/,
      );
      assert.match(
        subject.file.problem?.hint ?? "",
        /^move it away; the socket is made again within/,
      );
      assert.equal(subject.lines.length, 1, "said once");
      assert(!subject.lines[0]?.includes("\n"));
      Deno.removeSync(subject.path);
      subject.watch.look();
      assert.equal(subject.file.problem, null);
      assert.match(subject.lines[1] ?? "", /^info socket-back/);
      subject.reaches();
    });
  }
});

Deno.test("somebody else's live socket is left alone, here and at the end; a dead one is not", () =>
  bench((subject, folder) => {
    Deno.removeSync(subject.path);
    const foreign = listenUnix(subject.path);
    const theirs = socketIdentity(subject.path);
    for (let look = 0; look < 5; look++) subject.watch.look();
    assert.equal(socketIdentity(subject.path), theirs);
    assert.equal(acceptUnix(foreign), -EAGAIN, "its owner noticed nothing");
    assert.match(subject.file.problem?.text ?? "", /belongs to a running server/);
    assert.equal(subject.lines.length, 1);
    subject.file.remove();
    assert.equal(socketIdentity(subject.path), theirs, "not removed at the end");
    const other = new Bench(`${folder}/other`);
    try {
      Deno.removeSync(other.path);
      closeFd(listenUnix(other.path));
      other.watch.look();
      other.reaches();
    } finally {
      other.close();
      closeFd(foreign);
    }
  }));

Deno.test("another process that listens there is named", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-file-" });
  const subject = new Bench(`${folder}/vm`);
  const code = `Deno.removeSync(${JSON.stringify(subject.path)});
    Deno.listen({ transport: "unix", path: ${JSON.stringify(subject.path)} });
    console.log("there"); setInterval(() => {}, 1e6);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    subject.watch.look();
    assert.match(
      subject.lines[0] ?? "",
      new RegExp(`pid ${child.pid}, .*stop it: kill ${child.pid};`),
    );
    child.kill("SIGKILL");
    await child.status;
    while (!(await reader.read()).done);
    subject.watch.look();
    subject.reaches();
  } finally {
    subject.close();
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a folder that is removed is made again as it was, with those above it", () => {
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/a`);
    Deno.chmodSync(`${folder}/a`, 0o711);
    Deno.mkdirSync(`${folder}/a/b`);
    Deno.chmodSync(`${folder}/a/b`, 0o777);
    const subject = new Bench(`${folder}/a/b/vm`);
    try {
      Deno.removeSync(`${folder}/a`, { recursive: true });
      subject.watch.look();
      subject.reaches();
      assert.equal((Deno.statSync(`${folder}/a`).mode ?? 0) & 0o7777, 0o711);
      assert.equal((Deno.statSync(`${folder}/a/b`).mode ?? 0) & 0o7777, 0o777);
      assert.equal(subject.lines.length, 1);
      // Another one in its place, somebody else's choice of mode.
      Deno.removeSync(`${folder}/a/b`, { recursive: true });
      Deno.mkdirSync(`${folder}/a/b`, { mode: 0o700 });
      subject.watch.look();
      subject.reaches();
      assert.equal((Deno.statSync(`${folder}/a/b`).mode ?? 0) & 0o7777, 0o700);
    } finally {
      subject.close();
    }
  });
});

Deno.test("a folder that cannot be made again is asked for with the command that makes it", () => {
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/run`);
    Deno.chmodSync(`${folder}/run`, 0o1777);
    const subject = new Bench(`${folder}/run/vm`);
    try {
      Deno.removeSync(`${folder}/run`, { recursive: true });
      for (let look = 0; look < 4; look++) subject.watch.look();
      assert.equal(subject.binds, 0);
      assert.equal(subject.lines.length, 1);
      assert.match(
        subject.lines[0] ?? "",
        /folder .*\/run is gone \(install -d -o \d+ -g \d+ -m 1777 /,
      );
      const command = /\((install [^;]+);/.exec(subject.lines[0] ?? "")?.[1]?.split(" ") ?? [];
      const [program = "", ...args] = command;
      assert(new Deno.Command(program, { args }).outputSync().success);
      subject.watch.look();
      subject.reaches();
      assert.equal(subject.file.problem, null);
    } finally {
      subject.close();
    }
  });
});

Deno.test("who can make a file come and go gets a few lines, not the log", () =>
  bench((subject) => {
    for (let round = 0; round < 200; round++) {
      Deno.removeSync(subject.path);
      if (round % 3 === 0) Deno.writeTextFileSync(subject.path, "");
      subject.watch.look();
      if (round % 3 === 0) Deno.removeSync(subject.path);
      if (round % 3 === 0) subject.watch.look();
      subject.reaches();
    }
    const warnings = subject.lines.filter((line) => line.startsWith("warn"));
    assert(warnings.length <= 4, `${warnings.length} lines`);
    assert(subject.lines.length <= 8, subject.lines.join("\n"));
  }));

Deno.test("SocketWatch looks at folders, and at files only when one of them has changed", () =>
  inFolder((folder) => {
    const watch = new SocketWatch();
    let looks = 0;
    const file = { path: `${folder}/x`, isLost: false, look: () => void looks++ };
    watch.add(file);
    watch.look();
    assert.equal(looks, 1, "the first look sees it");
    // The folder's time of change is too young to be trusted: a change may share it.
    watch.look();
    assert.equal(looks, 2);
    const now = Date.now;
    try {
      Date.now = () => now() + 5000;
      watch.look();
      assert.equal(looks, 3, "once more, and from now on it is settled");
      watch.look();
      assert.equal(looks, 3);
      Deno.writeTextFileSync(`${folder}/y`, "");
      Date.now = () => now();
      watch.look();
      assert.equal(looks, 4, "something changed");
      file.isLost = true;
      Date.now = () => now() + 5000;
      for (let more = 0; more < 3; more++) watch.look();
      assert.equal(looks, 7, "a lost one is looked at each time");
    } finally {
      Date.now = now;
      watch.remove(file);
    }
  }));

Deno.test("a folder that somebody else has made meanwhile gets no socket, nor does his link", () => {
  // Only root may give folders away.
  if (!canBeOther()) return;
  const makes: ((path: string, folder: string) => void)[] = [
    (path) => {
      Deno.mkdirSync(path, { mode: 0o777 });
      Deno.chownSync(path, OTHER_UID, OTHER_UID);
    },
    (path, folder) => {
      Deno.mkdirSync(`${folder}/elsewhere`);
      Deno.symlinkSync(`${folder}/elsewhere`, path);
      assert(
        new Deno.Command("chown", { args: ["-h", String(OTHER_UID), path] }).outputSync().success,
      );
    },
  ];
  for (const make of makes) {
    bench((subject, run) => {
      Deno.renameSync(run, `${run}.old`);
      make(run, `${run}.old`);
      for (let look = 0; look < 3; look++) subject.watch.look();
      assert.equal(socketIdentity(subject.path), null, "nothing is bound there");
      assert.match(
        subject.file.problem?.text ?? "",
        new RegExp(`nobody finds it: its folder .*run belongs to user ${OTHER_UID} now`),
      );
      assert.match(subject.file.problem?.hint ?? "", /^move it away/);
      assert.equal(subject.lines.length, 1);
      Deno.removeSync(run);
      subject.watch.look();
      subject.reaches();
      assert.equal(subject.file.problem, null);
    });
  }
});

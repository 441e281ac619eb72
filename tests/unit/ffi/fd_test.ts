/** Descriptors: what they are, without touching them, and who reads and closes them. */
import { strict as assert } from "node:assert";
import {
  addFdSeals,
  allocateFile,
  closeFd,
  createEventFd,
  createMemoryFile,
  createPipe,
  dupFd,
  EBADF,
  ENOENT,
  F_SEAL_SHRINK,
  fdKind,
  fdSeals,
  nameFile,
  openFile,
  readTenantFd,
  setNonBlocking,
  socketPair,
  statFd,
  staysOpen,
  truncateFd,
  writeTenantFd,
} from "../../../ffi/mod.ts";
import { libc } from "../../../ffi/symbols.ts";
import { failedWith } from "../../harness/fds.ts";
import { TempFolder } from "../../harness/temp.ts";

Deno.test("fdKind() says what a descriptor is, and never takes a name for the thing", () => {
  using folder = new TempFolder();
  const file = folder.file("eventfd");
  Deno.writeTextFileSync(file, "");
  const [reading, writing] = createPipe();
  const [one, two] = socketPair();
  const kinds: readonly [number, ReturnType<typeof fdKind>][] = [
    [createEventFd(), "eventfd"],
    [reading, "pipe"],
    [writing, "pipe"],
    [one, "socket"],
    [two, "socket"],
    // Whoever sends to these may have to wait.
    [libc.socket(2, 1, 0), "other"],
    [libc.socket(2, 2, 0), "other"],
    [createMemoryFile("anon_inode:[eventfd]", 4096), "other"],
    [openFile(file), "other"],
    [openFile("/dev/null"), "other"],
    // Of O_PATH: the same names, and of no use.
    [nameFile(`/proc/self/fd/${one}`), "other"],
    [nameFile(file), "other"],
  ];
  for (const [fd, kind] of kinds) assert.equal(fdKind(fd), kind, `fd ${fd}`);
  for (const [fd] of kinds) closeFd(fd);
  assert.equal(fdKind(one), "other", "closed");
});

Deno.test("closeFd() of what is closed is an error that names the descriptor", () => {
  const fd = createEventFd();
  closeFd(fd);
  assert.throws(() => closeFd(fd), new RegExp(`^SystemError: close failed with EBADF .*fd ${fd}`));
  assert.throws(() => dupFd(fd), failedWith(EBADF));
  assert.throws(() => statFd(fd), failedWith(EBADF));
});

Deno.test("statFd() tells a file by its identity, and that it was changed", () => {
  const fd = createMemoryFile("one", 4096);
  const other = createMemoryFile("one", 4096);
  const copy = dupFd(fd);
  const before = statFd(fd);
  assert.deepEqual(statFd(copy), before);
  assert.notEqual(statFd(other).identity, before.identity);
  assert.deepEqual([before.sizeBytes, before.blockBytes], [4096, 4096]);
  truncateFd(copy, 2 ** 33);
  assert.equal(statFd(fd).sizeBytes, 2 ** 33);
  [fd, other, copy].forEach(closeFd);
});

Deno.test("staysOpen() tells what a process was handed from what it opened itself", () => {
  assert(staysOpen(0) && staysOpen(1) && staysOpen(2));
  const fd = createEventFd();
  const fds = [fd, dupFd(fd), dupFd(1), ...createPipe(), ...socketPair()];
  for (const each of fds) assert(!staysOpen(each), `fd ${each}`);
  fds.forEach(closeFd);
  assert(!staysOpen(fd), "closed");
});

Deno.test("only memory has seals", () => {
  const fds = [...createPipe(), ...socketPair(), createEventFd(), openFile("/dev/null")];
  for (const fd of fds) {
    assert.equal(fdSeals(fd), -1, `fd ${fd}`);
    assert.equal(addFdSeals(fd, F_SEAL_SHRINK), false, `fd ${fd}`);
  }
  const memory = createMemoryFile("test", 4096, 0);
  assert.equal(addFdSeals(memory, F_SEAL_SHRINK), true);
  assert.equal(fdSeals(memory), F_SEAL_SHRINK);
  [...fds, memory].forEach(closeFd);
});

Deno.test("nameFile() names what stands there, a link itself, whatever comes there later", () => {
  using folder = new TempFolder();
  const link = folder.file("link");
  assert.throws(() => nameFile(link), failedWith(ENOENT));
  Deno.symlinkSync("/dev/null", link);
  const named = nameFile(link);
  const { identity, sizeBytes } = statFd(named);
  assert.equal(sizeBytes, "/dev/null".length, "a link is as long as where it leads");
  const followed = openFile(link);
  assert.notEqual(identity, statFd(followed).identity);
  Deno.removeSync(link);
  Deno.writeTextFileSync(link, "another");
  assert.equal(statFd(named).identity, identity);
  const again = nameFile(link);
  assert.notEqual(statFd(again).identity, identity);
  [named, followed, again].forEach(closeFd);
});

Deno.test("a tenant's pipe is read and written as far as it goes", async () => {
  const [reading, writing] = createPipe();
  setNonBlocking(reading);
  setNonBlocking(writing);
  const into = new Uint8Array(8);
  assert.equal(await readTenantFd(reading, into), -1, "nothing there yet");
  assert.equal(await writeTenantFd(writing, new Uint8Array([1, 2, 3])), 3);
  assert.equal(await readTenantFd(reading, into), 3);
  assert.deepEqual([...into.subarray(0, 4)], [1, 2, 3, 0]);
  const page = new Uint8Array(4096);
  let written = 0;
  while (await writeTenantFd(writing, page) === page.length) written += page.length;
  assert(written >= 4096, "no room is -1 and no wait");
  closeFd(writing);
  while (await readTenantFd(reading, page) > 0);
  assert.equal(await readTenantFd(reading, page), 0, "the end of the file");
  closeFd(reading);
});

Deno.test("allocateFile() gives a file room and keeps what is in it", () => {
  const fd = createMemoryFile("test", 4096);
  assert.equal(allocateFile(fd, 4096, 8192), true);
  assert.equal(statFd(fd).sizeBytes, 12288);
  assert.equal(allocateFile(fd, 0, 0), false, "no room is none");
  closeFd(fd);
});

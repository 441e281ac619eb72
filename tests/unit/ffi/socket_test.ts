/** Unix sockets: bytes and descriptors come as they were sent, and every failure has its number. */
import { strict as assert } from "node:assert";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  connectUnixOffThread,
  createEventFd,
  drainEventFd,
  EADDRINUSE,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  ENOENT,
  EPIPE,
  isSocketHeld,
  listenUnix,
  peerCredentials,
  receive,
  SCM_MAX_FD,
  send,
  signalEventFd,
  SOCKET_PATH_BYTES_MAX,
  socketPair,
  unixName,
} from "../../../ffi/mod.ts";
import { failedWith } from "../../harness/fds.ts";
import { TempFolder } from "../../harness/temp.ts";

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values);
}

/** Whether a descriptor is closed in a program that this one starts. */
function closesOnExec(fd: number): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))?.[1];
  return (parseInt(flags ?? "0", 8) & 0o2000000) !== 0;
}

Deno.test("descriptors come with the first byte they were sent with, in order, and to be closed on exec", () => {
  const [one, two] = socketPair();
  const events = [createEventFd(), createEventFd(), createEventFd()];
  assert.equal(send(one, bytes(1, 2)), 2);
  assert.equal(send(one, bytes(3, 4, 5), events), 3);
  events.forEach((fd, i) => {
    for (let n = 0; n <= i; n++) signalEventFd(fd);
    closeFd(fd);
  });
  const into = new Uint8Array(16);
  const first = receive(two, into.subarray(0, 2));
  assert.deepEqual([first.bytes, first.fds, first.truncated], [2, [], false]);
  const second = receive(two, into.subarray(2, 3));
  assert.deepEqual([second.bytes, second.fds.length, second.truncated], [1, 3, false]);
  assert.deepEqual(second.fds.map(drainEventFd), [1, 2, 3]);
  assert(second.fds.every(closesOnExec));
  const third = receive(two, into.subarray(3));
  assert.deepEqual([third.bytes, third.fds], [2, []]);
  assert.deepEqual([...into.subarray(0, 6)], [1, 2, 3, 4, 5, 0]);
  second.fds.forEach(closeFd);
  [one, two].forEach(closeFd);
});

Deno.test("as many descriptors as the kernel takes with one message come, and one more is refused", () => {
  const [one, two] = socketPair();
  const event = createEventFd();
  const many = (count: number): number[] => new Array<number>(count).fill(event);
  assert(send(one, bytes(1), many(SCM_MAX_FD + 1)) < 0);
  assert.equal(send(one, bytes(1), many(SCM_MAX_FD)), 1);
  const { fds, truncated } = receive(two, new Uint8Array(4));
  assert.deepEqual([fds.length, truncated], [SCM_MAX_FD, false]);
  assert.equal(new Set(fds).size, SCM_MAX_FD);
  [event, one, two, ...fds].forEach(closeFd);
});

Deno.test("receive() and send() say nothing there, full, closed and gone by numbers, and never throw", () => {
  const [one, two] = socketPair();
  const into = new Uint8Array(4);
  assert.equal(receive(two, into).bytes, -EAGAIN);
  const page = new Uint8Array(65536);
  let taken = 0;
  for (let sent = send(one, page); sent > 0; sent = send(one, page)) taken += sent;
  assert.equal(send(one, page), -EAGAIN, "the peer does not read");
  let got = 0;
  for (let read = receive(two, page).bytes; read > 0; read = receive(two, page).bytes) got += read;
  assert.equal(got, taken);
  closeFd(one);
  assert.equal(receive(two, into).bytes, 0, "the peer closed");
  assert.equal(send(two, into), -EPIPE);
  closeFd(two);
  assert.deepEqual([receive(two, into).bytes, send(two, into)], [-EBADF, -EBADF]);
});

Deno.test("a listener takes who connects, and each failure to connect has its number", async () => {
  using folder = new TempFolder();
  const path = folder.file("a.sock");
  assert.throws(() => connectUnix(path), failedWith(ENOENT));
  assert.equal(await connectUnixOffThread(path), -1);
  const listener = listenUnix(path, 0);
  assert.equal(acceptUnix(listener), -EAGAIN);
  assert.throws(() => listenUnix(path), failedWith(EADDRINUSE));
  const client = await connectUnixOffThread(path);
  assert(client >= 0 && closesOnExec(client));
  // A backlog of 0 holds one.
  assert.throws(() => connectUnix(path), failedWith(EAGAIN));
  const server = acceptUnix(listener);
  assert(server >= 0 && closesOnExec(server));
  const { pid, uid, gid } = peerCredentials(server) ??
    assert.fail("the kernel knows who connected");
  assert.deepEqual([pid, uid, gid], [Deno.pid, Deno.uid(), Deno.gid()]);
  assert.equal(peerCredentials(createAndClose()), null);
  assert.deepEqual([unixName(client, "peer"), unixName(client, "own")], [path, ""]);
  assert.deepEqual([unixName(server, "peer"), unixName(server, "own")], ["", path]);
  assert.equal(unixName(createAndClose(), "own"), "");
  [client, server, listener].forEach(closeFd);
  assert.throws(() => connectUnix(path), failedWith(ECONNREFUSED));
});

/** A number that was a descriptor. */
function createAndClose(): number {
  const fd = createEventFd();
  closeFd(fd);
  return fd;
}

Deno.test("isSocketHeld() knocks so that who holds a socket notices nothing", () => {
  using folder = new TempFolder();
  const path = folder.file("a.sock");
  assert.throws(() => isSocketHeld(path), failedWith(ENOENT));
  const listener = listenUnix(path);
  assert.equal(isSocketHeld(path), true);
  assert.equal(acceptUnix(listener), -EAGAIN);
  closeFd(listener);
  assert.equal(isSocketHeld(path), false);
});

Deno.test("a path that no socket address has room for is refused before anything is done", () => {
  using folder = new TempFolder();
  const longest = `${folder.path}/`.padEnd(SOCKET_PATH_BYTES_MAX, "x");
  closeFd(listenUnix(longest));
  assert.equal(isSocketHeld(longest), false);
  // Bytes count, not letters.
  for (const path of [`${longest}x`, `${longest.slice(0, -1)}ü`, `${folder.path}/a\0b`]) {
    for (const call of [listenUnix, connectUnix, isSocketHeld]) {
      assert.throws(() => call(path), /RangeError: .* at most 107 bytes without NUL/);
    }
  }
});

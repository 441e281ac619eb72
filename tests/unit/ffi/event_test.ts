/** eventfds and epoll, as both threads wait with them. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  drainEventFd,
  drainTenantEventFd,
  dupFd,
  EBADF,
  EEXIST,
  ENOENT,
  Epoll,
  EPOLLIN,
  EPOLLOUT,
  signalEventFd,
  signalTenantEventFd,
} from "../../../ffi/mod.ts";
import { failedWith, fullEventFd } from "../../harness/fds.ts";

Deno.test("an eventfd adds up what it is told and gives it once", async () => {
  const fd = createEventFd();
  assert.equal(drainEventFd(fd), 0);
  for (let i = 0; i < 3; i++) assert.equal(signalEventFd(fd), 0);
  await signalTenantEventFd(fd);
  assert.equal(drainEventFd(fd), 4);
  assert.equal(drainEventFd(fd), 0);
  closeFd(fd);
  assert.equal(signalEventFd(fd), -1);
  assert.equal(drainEventFd(fd), 0);
});

Deno.test("a signal that a tenant blocks blocks no thread of ours, and is freed after a while", async () => {
  const fd = fullEventFd();
  const signalled = signalTenantEventFd(fd);
  const other = createEventFd();
  await signalTenantEventFd(other);
  // Nobody empties it but whoever signals.
  await signalled;
  assert.equal(drainEventFd(fd), 1);
  // Empty, and whoever reads it would block: this does not.
  drainTenantEventFd(fd);
  [fd, other].forEach(closeFd);
});

Deno.test("epoll says which descriptors have something, by tags of 32 bits", async () => {
  const epoll = new Epoll(2);
  const fds = [createEventFd(), createEventFd(), createEventFd()];
  const tags = [0, 0x8000_0001, 0xffff_ffff];
  fds.forEach((fd, i) => epoll.add(fd, EPOLLIN, tags[i] as number));
  assert.throws(() => epoll.add(fds[0] as number, EPOLLIN, 5), failedWith(EEXIST));
  assert.equal(epoll.wait(0), 0);
  fds.forEach(signalEventFd);
  // At most two at a time; one that was not served is not forgotten.
  const seen = new Set<number>();
  for (let wait = 0; wait < 2; wait++) {
    const count = wait === 0 ? epoll.wait(0) : await epoll.waitOffThread(0);
    assert.equal(count, 2 - wait);
    for (let i = 0; i < count; i++) {
      assert.equal(epoll.events(i), EPOLLIN);
      const tag = epoll.tag(i);
      seen.add(tag);
      drainEventFd(fds[tags.indexOf(tag)] as number);
    }
  }
  assert.deepEqual([...seen].sort((a, b) => a - b), tags);

  epoll.modify(fds[1] as number, EPOLLIN | EPOLLOUT, 77);
  assert.deepEqual([epoll.wait(0), epoll.tag(0), epoll.events(0)], [1, 77, EPOLLOUT]);
  epoll.remove(fds[1] as number);
  assert.equal(epoll.wait(0), 0);
  assert.throws(() => epoll.remove(fds[1] as number), failedWith(ENOENT));
  epoll.close();
  assert.throws(() => epoll.wait(0), failedWith(EBADF));
  fds.forEach(closeFd);
});

Deno.test("what is watched is the open file: a copy that stays open still speaks", () => {
  const epoll = new Epoll();
  const fd = createEventFd();
  const copy = dupFd(fd);
  epoll.add(fd, EPOLLIN, 1);
  closeFd(fd);
  signalEventFd(copy);
  assert.equal(epoll.wait(0), 1, "which is why remove() comes before a descriptor is closed");
  closeFd(copy);
  assert.equal(epoll.wait(0), 0);
  epoll.close();
});

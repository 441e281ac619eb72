/** The front-end of the tests: nothing of what it asks is lost on the way. */
import { strict as assert } from "node:assert";
import {
  acceptUnix,
  closeFd,
  createEventFd,
  EAGAIN,
  listenUnix,
  receive,
  send,
} from "../../../ffi/mod.ts";
import { FrontEnd } from "../../../lib/guest/front_end.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { held, untilHeld } from "../control/support.ts";
import { until } from "../../harness/until.ts";

const PIECE = new Uint8Array(1000);

/** Runs with a front-end and the other end of its connection. */
async function connected(run: (frontEnd: FrontEnd, far: number) => Promise<void>): Promise<void> {
  const before = held();
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-guest-" });
  const listener = listenUnix(`${folder}/s`);
  const frontEnd = new FrontEnd(`${folder}/s`);
  let far = -EAGAIN;
  await until("the connection comes", () => (far = acceptUnix(listener)) >= 0);
  closeFd(listener);
  try {
    await run(frontEnd, far);
  } finally {
    frontEnd.close();
    Deno.removeSync(folder, { recursive: true });
  }
  await untilHeld(before);
}

/** Sends until the socket takes no more. @returns bytes sent */
function fill(frontEnd: FrontEnd): number {
  let sent = 0;
  for (let taken = 0; taken >= 0; taken = frontEnd.raw(PIECE)) sent += taken;
  return sent;
}

Deno.test("FrontEnd asks when the socket is full: the request comes whole, after all the rest", () =>
  connected(async (frontEnd, far) => {
    const flood = fill(frontEnd);
    assert(flood > 0);
    const fd = createEventFd();
    const answer = frontEnd.ask(id.VHOST_USER_SET_VRING_KICK, id.encodeU64(0n), [fd]);
    let got = 0;
    let fds = 0;
    const request = id.encodeMessage(
      id.VHOST_USER_SET_VRING_KICK,
      id.VHOST_USER_VERSION | id.VHOST_USER_NEED_REPLY_MASK,
      id.encodeU64(0n),
    );
    const tail: number[] = [];
    await until("the request comes", () => {
      const bytes = new Uint8Array(700);
      for (let one = receive(far, bytes); one.bytes > 0; one = receive(far, bytes)) {
        for (const each of one.fds) closeFd(each);
        fds += one.fds.length;
        if (got + one.bytes > flood) {
          tail.push(...bytes.subarray(Math.max(0, flood - got), one.bytes));
        }
        got += one.bytes;
      }
      return got >= flood + request.length;
    });
    assert.deepEqual([tail, fds], [[...request], 1]);
    send(far, id.encodeMessage(id.VHOST_USER_SET_VRING_KICK, 0x5, id.encodeU64(0n)));
    assert.equal(await answer, 0n);
    closeFd(fd);
    closeFd(far);
  }));

Deno.test("FrontEnd that asks at a full socket says so when the other end closes", () =>
  connected(async (frontEnd, far) => {
    fill(frontEnd);
    const answer = frontEnd.ask(id.VHOST_USER_GET_FEATURES);
    closeFd(far);
    await assert.rejects(answer, /closed the connection/);
  }));

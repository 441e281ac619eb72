/** The link to a front-end over real sockets: channels that come, take another's place, and go. */
import { strict as assert } from "node:assert";
import { closeFd, receive, send, socketPair } from "../../../../ffi/mod.ts";
import { BackEndLink } from "../../../../lib/control/front_end/back_end_link.ts";
import { Reactor } from "../../../../lib/control/reactor.ts";
import { configChangeMessage } from "../../../../lib/vhost/wire/back_end_message.ts";
import { encodeU64 } from "../../../../lib/vhost/wire/message.ts";
import { until } from "../../../harness/until.ts";
import { held, untilHeld } from "../support.ts";

const CONFIG = configChangeMessage();

/** Bytes that a peer can read; 0: closed, below 0: -errno. */
function readable(peer: number): number {
  return receive(peer, new Uint8Array(new ArrayBuffer(4096))).bytes;
}

Deno.test("a link sends on the last channel that was opened, and has none before or after", async () => {
  const before = held();
  const news: string[] = [];
  const reactor = new Reactor((error) => news.push(`bug: ${error}`));
  const link = new BackEndLink(reactor, {
    failed: ({ code }) => news.push(code),
    closeFd,
    log: (_, event) => news.push(event),
  });
  assert.equal(link.send(CONFIG), false);

  const [first, firstPeer] = socketPair();
  link.open(first);
  assert.equal(link.send(CONFIG), true);
  assert(readable(firstPeer) > 0);

  const [second, secondPeer] = socketPair();
  link.open(second);
  assert.equal(readable(firstPeer), 0, "the earlier one is closed");
  assert.equal(link.send(CONFIG), true);
  assert(readable(secondPeer) > 0);
  assert.deepEqual(news, []);

  closeFd(secondPeer);
  await until("the link notices that its peer is gone", () => news.length > 0);
  assert.deepEqual(news, ["back-end-channel"]);
  assert.equal(link.send(CONFIG), false);

  const [third, thirdPeer] = socketPair();
  link.open(third);
  send(thirdPeer, encodeU64(0n));
  send(thirdPeer, encodeU64(0n));
  await until("the link says what its peer did", () => news.length > 1);
  assert.deepEqual(news, ["back-end-channel", "bad-back-end-reply"]);

  link.close();
  link.close();
  assert.equal(link.send(CONFIG), false);
  closeFd(firstPeer);
  closeFd(thirdPeer);
  await reactor.close();
  await untilHeld(before);
});

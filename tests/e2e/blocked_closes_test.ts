/**
 * Tenants of many ports that send what does not close: the closes of other ports go on, and so does
 * everything else; the switch ends when it is told to.
 */
import { strict as assert } from "node:assert";
import { closeFd } from "../../ffi/mod.ts";
import { CALLS_MAX } from "../../lib/control/front_end/tenant_fds.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { LingeringSocket } from "../harness/linger.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

/** More than calls that the runtime's pool has places for. */
const HOSTILE = CALLS_MAX + 8;
/** Longer than any machine needs for what must go on. */
const LINGER_SECONDS = 1000;
const PLAIN = 1;

/** Descriptors that a port waits to have closed. */
async function closing(bed: Bed, port: number): Promise<number | null> {
  const { limits } = await bed.limits(port);
  return limits.find(({ name }) => name === "closing")?.used ?? null;
}

/** Each front-end sends a socket of which the switch then has the last descriptor. */
function sendAll(bed: Bed, lingering: readonly LingeringSocket[]): FrontEnd[] {
  const { pid } = bed.process;
  const frontEnds = lingering.map((_, i) => new FrontEnd(bed.socket(1 + i)));
  Deno.kill(pid, "SIGSTOP");
  try {
    for (const [i, { fd }] of lingering.entries()) {
      frontEnds[i]?.message(id.VHOST_USER_GET_FEATURES, undefined, [fd]);
      closeFd(fd);
    }
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  return frontEnds;
}

Deno.test("closes that block keep no other port's waiting, and not the end of the switch", async () => {
  await using bed = await Bed.make(HOSTILE + 1);
  const lingering = Array.from({ length: HOSTILE }, () => new LingeringSocket(LINGER_SECONDS));
  let frontEnds: FrontEnd[] = [];
  try {
    frontEnds = sendAll(bed, lingering);
    for (let port = 1; port <= HOSTILE; port++) {
      await until(`port ${port} has one that does not close`, async () => {
        return (await closing(bed, port) ?? 0) >= 1;
      });
    }
    using honest = new FrontEnd(bed.socket(HOSTILE + 1));
    assert.notEqual(await honest.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN), 0n);
    honest[Symbol.dispose]();
    await until("the connection of another port is closed", async () => {
      const { connects, peer } = await bed.port(HOSTILE + 1);
      return connects === 1 && peer === null && await closing(bed, HOSTILE + 1) === 0;
    });
    const begin = performance.now();
    assert.equal(await bed.process.stop(), 0);
    // It waits for none of them, whatever else the machine does meanwhile.
    assert(performance.now() - begin < WAIT_MS_MAX);
  } finally {
    for (const each of [...frontEnds, ...lingering]) each[Symbol.dispose]();
  }
});

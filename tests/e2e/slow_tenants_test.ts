/**
 * Tenants who take the data plane's time: calls that take long, pages that are punched out of their
 * memory again and again. They are parted with, and those beside them lose nothing.
 *
 * @module
 */
import { punchedMemory, watchedCall } from "../harness/attacks/slow.ts";
import { Siege, steps } from "../harness/siege.ts";

Deno.test("who takes the data plane's time is parted with", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  // Where the thread is kept from its processor in the middle of a call, that looks stuck.
  const reasons = ["too-slow", "call-blocked"];
  await step("a call descriptor with 64,000 watches", reasons, () => watchedCall(siege));
  await step(
    "memory that is punched as a whole, again and again",
    "too-slow",
    () => punchedMemory(siege, 2 ** 30),
  );
});

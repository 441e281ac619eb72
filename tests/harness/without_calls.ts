/**
 * vuswitch where the kernel denies some system calls, as a container's filter may: words of a command
 * are numbers with commas between, and those of vuswitch.
 *
 * @module
 */
import { filterCalls } from "../../ffi/mod.ts";
import { main } from "../../lib/cli/app.ts";

/** linux/bpf_common.h and linux/seccomp.h: load a word, compare, answer. */
const LOAD = 0x20;
const IF_EQUAL = 0x15;
const ANSWER = 0x06;
const ALLOW = 0x7fff0000;
const DENY_EPERM = 0x00050001;

/** struct sock_filter: code, two jumps, a value. */
function instruction(code: number, to: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint16(0, code, true);
  view.setUint8(2, to);
  view.setUint32(4, value, true);
  return [...new Uint8Array(view.buffer)];
}

/** A filter by numbers alone: this processor's programs are the only ones. */
function denying(numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array([
    ...instruction(LOAD, 0, 0),
    ...numbers.flatMap((number, i) => instruction(IF_EQUAL, numbers.length - i, number)),
    ...instruction(ANSWER, 0, ALLOW),
    ...instruction(ANSWER, 0, DENY_EPERM),
  ]);
}

const [denied = "", ...words] = Deno.args;
filterCalls(denying(denied.split(",").map(Number)));
await main(words);

/**
 * Front-ends of another process that come again and again: `deno run -A knocking.ts KIND SOCKET`
 * goes on until SIGTERM, and then prints how often it got through.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, connectUnix, send, socketPair } from "../../ffi/mod.ts";
import {
  encodeMessage,
  encodeU64,
  VHOST_USER_SET_VRING_CALL,
} from "../../lib/vhost/wire/message.ts";

/** How many knock at once. */
export const KNOCKERS = 10;
/** Pause of whoever is told `reconnect=1`, ms. */
const RECONNECT_MS = 1000;
/** Connections begun between two looks at the rest of the process. */
const ROUND = 100;
/** GET_FEATURES, as QEMU begins. */
const HELLO = new Uint8Array([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
const GARBAGE = new Uint8Array(12).fill(0xff);

let count = 0;

/** Connects, says something, and waits until the switch hangs up. */
async function knockOnce(path: string, words: Uint8Array): Promise<void> {
  try {
    using connection = await Deno.connect({ transport: "unix", path });
    count++;
    await connection.write(words);
    const bytes = new Uint8Array(256);
    while (await connection.read(bytes) !== null);
  } catch {
    // It hung up with something unread, or its queue is full.
    await delay(1);
  }
}

async function manyKnock(path: string, words: Uint8Array, pauseMs: number): Promise<void> {
  await Promise.all(Array.from({ length: KNOCKERS }, async () => {
    for (;;) {
      await knockOnce(path, words);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }));
}

/** As fast as one process can. */
async function hangUp(path: string): Promise<void> {
  for (;; await delay(0)) {
    for (let i = 0; i < ROUND; i++) {
      try {
        closeFd(connectUnix(path));
        count++;
      } catch {
        // The queue of the socket is full.
      }
    }
  }
}

/** Takes whoever connects, says something and hangs up. */
async function listen(path: string, words: Uint8Array): Promise<void> {
  for await (const connection of Deno.listen({ transport: "unix", path })) {
    count++;
    if (words.length > 0) await connection.write(words);
    connection.close();
  }
}

/**
 * Two connections whose ends nobody closes: each lies in the queue of a socket that the switch was
 * given to call a driver by.
 */
function hideEnds(path: string): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const end = connectUnix(path);
    const [mine, theirs] = socketPair();
    send(mine, new Uint8Array(1), [end]);
    const words = encodeMessage(VHOST_USER_SET_VRING_CALL, 1, encodeU64(0n));
    send(end, words, [theirs]);
    count++;
  }
  return new Promise(() => {});
}

/** What front-ends do, again and again. */
export const KINDS: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "at-once": (path) => manyKnock(path, HELLO, 0),
  reconnect: (path) => manyKnock(path, HELLO, RECONNECT_MS),
  garbage: async (path) => {
    for (;;) await knockOnce(path, GARBAGE);
  },
  "much-garbage": (path) => manyKnock(path, GARBAGE, 0),
  "hang-up": hangUp,
  "hidden-ends": hideEnds,
  "silent-listener": (path) => listen(path, new Uint8Array()),
  "garbage-listener": (path) => listen(path, GARBAGE),
};

/** Such front-ends in a process of their own. Stop it. */
export class Knocking {
  readonly #process: Deno.ChildProcess;

  constructor(kind: string, socket: string) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", import.meta.filename as string, kind, socket],
      ...{ stdin: "null", stdout: "piped", stderr: "null" },
    }).spawn();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends it. @returns connections it had */
  async stop(): Promise<number> {
    this.#process.kill("SIGTERM");
    const { stdout } = await this.#process.output();
    return Number(new TextDecoder().decode(stdout));
  }
}

if (import.meta.main) {
  Deno.addSignalListener("SIGTERM", () => {
    console.log(count);
    Deno.exit(0);
  });
  const [kind = "", socket = ""] = Deno.args;
  await KINDS[kind]?.(socket);
}

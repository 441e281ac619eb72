/** Documents and descriptors between two processes of which one takes over from the other. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  fdKind,
  send,
  socketPair,
  statFd,
} from "../../../../ffi/mod.ts";
import {
  DOCUMENT_BYTES_MAX,
  DOCUMENT_FDS_MAX,
  Pipe,
  PipeError,
} from "../../../../lib/control/takeover/pipe.ts";
import { WAIT_MS_MAX } from "../../../harness/until.ts";
import { onReactor } from "../on_reactor.ts";

interface Ends {
  readonly pipe: Pipe;
  /** The other end, without a pipe of its own. */
  readonly fd: number;
  readonly other: () => Pipe;
}

/** A pipe, and the other end of its socket. */
async function withPipe(run: (ends: Ends) => Promise<void> | void): Promise<void> {
  let made: Pipe | null = null;
  let other = -1;
  await onReactor(
    (reactor) => {
      const [one, two] = socketPair();
      other = two;
      return {
        pipe: new Pipe(one, reactor),
        fd: two,
        other: () => {
          other = -1;
          return made = new Pipe(two, reactor);
        },
      };
    },
    run,
    ({ pipe }) => {
      pipe.close();
      made?.close();
      if (other >= 0) closeFd(other);
    },
  );
}

Deno.test("documents of any size arrive whole and in order, with their descriptors", async () => {
  await withPipe(async ({ pipe, other }) => {
    const to = other();
    const eventFd = createEventFd();
    const files = Array.from({ length: 300 }, (_, i) => createMemoryFile(`test-${i}`, 4096));
    const identities = files.map((fd) => statFd(fd).identity);
    const documents: [unknown, number[]][] = [
      [null, []],
      [{ text: "äöü€" }, [eventFd]],
      ["x".repeat(3_000_000), []],
      [0, files],
      [["y".repeat(200_000)], [eventFd, ...files]],
    ];
    for (const [document, fds] of documents) void pipe.say(document, fds);
    for (const [document, fds] of documents) {
      const got = await to.next(WAIT_MS_MAX);
      assert.deepEqual(got.document, document);
      assert.equal(got.fds.length, fds.length);
      if (fds[0] === eventFd) assert.equal(fdKind(got.fds[0] as number), "eventfd");
      const ofFiles = got.fds.slice(fds.length - Math.min(fds.length, files.length));
      if (fds.length > 1) assert.deepEqual(ofFiles.map((fd) => statFd(fd).identity), identities);
      for (const fd of got.fds) closeFd(fd);
    }
    for (const fd of [eventFd, ...files]) closeFd(fd);
  });
});

Deno.test("a document that nobody reads is said in the end, and nobody waits for it", async () => {
  await withPipe(async ({ pipe, other }) => {
    const said = pipe.say("z".repeat(5_000_000));
    const to = other();
    assert.equal((await to.next(WAIT_MS_MAX)).document, "z".repeat(5_000_000));
    await said;
  });
});

Deno.test("nonsense is refused, and its descriptors are closed", async () => {
  const head = (magic: number, bytes: number, fds: number, text = ""): Uint8Array<ArrayBuffer> => {
    const made = new Uint8Array(12 + text.length);
    const view = new DataView(made.buffer);
    [magic, bytes, fds].forEach((word, i) => view.setUint32(4 * i, word, true));
    made.set(Array.from(text, (letter) => letter.charCodeAt(0)), 12);
    return made;
  };
  const MAGIC = 0x54575356;
  const cases: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
    [head(1, 0, 0), /does not speak/],
    [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), /does not speak/],
    [head(MAGIC, DOCUMENT_BYTES_MAX + 1, 0), /does not speak/],
    [head(MAGIC, 2, DOCUMENT_FDS_MAX + 1, "{}"), /does not speak/],
    [head(MAGIC, 2, 2, "{}"), /descriptors are missing/],
    [head(MAGIC, 2, 0, "{x"), /no JSON/],
    [head(MAGIC, 1, 0, "\xff"), /no JSON/],
  ];
  for (const [bytes, why] of cases) {
    await withPipe(async ({ pipe, fd }) => {
      const eventFd = createEventFd();
      assert(send(fd, bytes, [eventFd]) > 0);
      closeFd(eventFd);
      await assert.rejects(pipe.next(WAIT_MS_MAX), (error) => {
        assert(error instanceof PipeError);
        assert.match(error.message, why);
        return true;
      });
      // And from then on.
      await assert.rejects(pipe.next(WAIT_MS_MAX), PipeError);
      await pipe.say("nothing comes of it");
    });
  }
});

Deno.test("who is gone or silent is noticed", async () => {
  await withPipe(async ({ pipe, other }) => {
    await assert.rejects(pipe.next(1), /nothing was said for 1 ms/);
    const to = other();
    void to.say("the last word");
    assert.equal((await pipe.next(WAIT_MS_MAX)).document, "the last word");
    const waiting = assert.rejects(pipe.next(WAIT_MS_MAX), /the other process is gone/);
    to.close = ((close) => () => {
      close.call(to);
      to.close = () => {};
    })(to.close);
    to.close();
    await waiting;
  });
});

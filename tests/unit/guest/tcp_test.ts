/** The demo's TCP: segments as they are on the wire, and a page that comes in spite of losses. */
import { strict as assert } from "node:assert";
import { type Host, internetChecksum } from "../../../lib/guest/frames.ts";
import { readTcp, type Segment, tcpAsk, type TcpEnds, tcpFrame } from "../../../lib/guest/tcp.ts";

const GUEST: Host = { mac: "52:54:00:00:00:01", ip: "10.87.0.99" };
const SERVER: Host = { mac: "52:54:00:00:00:02", ip: "10.87.0.1" };
const ENDS: TcpEnds = { from: GUEST, fromPort: 40_000, to: SERVER, toPort: 80 };
const BACK: TcpEnds = { from: SERVER, fromPort: 80, to: GUEST, toPort: 40_000 };
const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];

function segment(flags: number, sequence: number, acknowledged: number, text = ""): Segment {
  return { flags, sequence, acknowledged, data: new TextEncoder().encode(text) };
}

Deno.test("a segment is what it was on the other side, with a checksum over its addresses", () => {
  for (const text of ["", "odd", "even"]) {
    const sent = segment(ACK, 0xffff_fff0, 7, text);
    const frame = tcpFrame(ENDS, sent);
    assert.deepEqual(readTcp(BACK, frame), sent);
    const tcp = frame.subarray(34);
    const pseudo = Uint8Array.of(10, 87, 0, 99, 10, 87, 0, 1, 0, 6, 0, tcp.length, ...tcp);
    assert.equal(internetChecksum(pseudo), 0);
    // What a device has added to a short frame is no data.
    const padded = new Uint8Array(frame.length + 6);
    padded.set(frame);
    assert.deepEqual(readTcp(BACK, padded), sent);
    assert.equal(readTcp(ENDS, frame), null, "it is of the other way");
    assert.equal(readTcp({ ...BACK, toPort: 1 }, frame), null, "of another connection");
    assert.equal(readTcp(BACK, frame.subarray(0, 40)), null, "cut");
  }
});

/** A server that misses the first SYN, says one part out of its turn, and one twice. */
class Server {
  readonly #out: Uint8Array[] = [];
  #syns = 0;
  asked = "";
  acknowledged = 0;
  isOver = false;

  constructor(readonly first: number, readonly parts: readonly string[]) {}

  #say(flags: number, sequence: number, text = ""): void {
    this.#out.push(tcpFrame(BACK, segment(flags, sequence >>> 0, 0, text)));
  }

  send(frame: Uint8Array): boolean {
    const heard = readTcp(BACK, frame) ?? assert.fail("it is TCP");
    if (heard.flags & SYN) {
      if (this.#syns++ > 0) this.#say(SYN | ACK, this.first);
      return true;
    }
    this.acknowledged = heard.acknowledged;
    if (heard.flags & FIN) this.isOver = true;
    if (heard.data.length > 0) {
      this.asked += new TextDecoder().decode(heard.data);
      this.#answer();
    }
    return true;
  }

  #answer(): void {
    const at = (n: number): number => this.first + 1 + this.parts.slice(0, n).join("").length;
    const [one = "", two = "", three = ""] = this.parts;
    this.#say(ACK, at(1), two);
    this.#say(ACK, at(0), one);
    this.#say(ACK, at(0), one);
    this.#say(ACK, at(1), two);
    this.#say(ACK | FIN, at(2), three);
  }

  receive(): Uint8Array[] {
    return this.#out.splice(0);
  }
}

Deno.test("a page comes whole, whatever is lost, early or said twice", async () => {
  for (const first of [500, 0xffff_fffe]) {
    const server = new Server(first, ["one ", "two ", "three"]);
    assert.equal(await tcpAsk(server, ENDS, "GET /", 60_000), "one two three");
    assert.equal(server.asked, "GET /");
    assert.equal(server.acknowledged, (first + 1 + 13 + 1) >>> 0);
    assert(server.isOver);
  }
});

Deno.test("a connection that is refused, or not answered, brings nothing", async () => {
  const refusing = {
    send: () => true,
    receive: () => [tcpFrame(BACK, segment(RST | ACK, 0, 1001))],
  };
  assert.equal(await tcpAsk(refusing, ENDS, "GET /", 60_000), null);
  assert.equal(await tcpAsk({ send: () => true, receive: () => [] }, ENDS, "GET /", 20), null);
});

/** The virtio-net header, byte for byte as virtio-v1.3 §5.1.6 has it. */
import { strict as assert } from "node:assert";
import * as header from "../../../lib/virtio/net_header.ts";

const AT = 3;
const CANARY = 0xa5;

/** A view of 20 bytes, all canaries but what is given, from AT on. */
function viewOf(...bytes: number[]): { readonly view: DataView; readonly bytes: Uint8Array } {
  const all = new Uint8Array(20).fill(CANARY);
  all.set(bytes, AT);
  return { view: new DataView(all.buffer), bytes: all };
}

/** What stands at AT, and whether all around it is as it was. */
function written(bytes: Uint8Array, count: number): number[] {
  const around = [...bytes.subarray(0, AT), ...bytes.subarray(AT + count)];
  assert.deepEqual(around.filter((byte) => byte !== CANARY), [], "nothing around it is touched");
  return [...bytes.subarray(AT, AT + count)];
}

Deno.test("each field is read where it stands, low byte first", () => {
  const { view } = viewOf(0x81, 0x84, 0x36, 0xf0, 0xb4, 0x85, 0x22, 0xf1, 0x10, 0xf2, 0x03, 0xf4);
  assert.equal(header.netFlags(view, AT), 0x81);
  assert.equal(header.netGsoType(view, AT), 0x84);
  assert.equal(header.netHdrLen(view, AT), 0xf036);
  assert.equal(header.netGsoSize(view, AT), 0x85b4);
  assert.equal(header.netCsumStart(view, AT), 0xf122);
  assert.equal(header.netCsumOffset(view, AT), 0xf210);
  assert.equal(header.netNumBuffers(view, AT, 12), 0xf403);
  assert.equal(header.netNumBuffers(view, AT, 10), 1, "no such field in the old header");
});

Deno.test("an offload is written into the first ten bytes", () => {
  const { view, bytes } = viewOf();
  header.writeOffload(view, AT, 1, 0x84, 0xf036, 0x85b4, 0xf122, 0xf210);
  assert.deepEqual(written(bytes, 10), [1, 0x84, 0x36, 0xf0, 0xb4, 0x85, 0x22, 0xf1, 0x10, 0xf2]);
});

Deno.test("a bare header is zeros and the number of buffers", () => {
  for (const buffers of [1, 2, 0x1234, 0xffff]) {
    const long = viewOf();
    header.writeBareHeader(long.view, AT, 12, buffers);
    const zeros = new Array<number>(10).fill(0);
    assert.deepEqual(written(long.bytes, 12), [...zeros, buffers & 0xff, buffers >> 8]);
    const short = viewOf();
    header.writeBareHeader(short.view, AT, 10, buffers);
    assert.deepEqual(written(short.bytes, 10), zeros);
  }
});

Deno.test("what is touched ahead is zeros in the shorter header, and no more", () => {
  const { view, bytes } = viewOf();
  header.touchHeader(view, AT);
  assert.deepEqual(written(bytes, 4), [0, 0, 0, 0]);
});

Deno.test("any bit of any field but num_buffers is an offload", () => {
  for (let bit = 0; bit < 8 * 12; bit++) {
    const bytes = new Array<number>(12).fill(0);
    bytes[bit >> 3] = 1 << (bit & 7);
    assert.equal(header.netOffloads(viewOf(...bytes).view, AT), bit < 80, `bit ${bit}`);
  }
});

Deno.test("the header has num_buffers with VERSION_1 or MRG_RXBUF", () => {
  assert.deepEqual(
    [[false, false], [false, true], [true, false], [true, true]].map(([version1, mergeable]) =>
      header.netHeaderBytes(version1 === true, mergeable === true)
    ),
    [10, 12, 12, 12],
  );
});

Deno.test("flags and types have the numbers of linux/virtio_net.h", () => {
  const numbers = Object.entries(header).filter(([name]) => /_(F|GSO)_/.test(name));
  assert.deepEqual(Object.fromEntries(numbers), {
    VIRTIO_NET_HDR_F_NEEDS_CSUM: 1,
    VIRTIO_NET_HDR_F_DATA_VALID: 2,
    VIRTIO_NET_HDR_F_RSC_INFO: 4,
    VIRTIO_NET_HDR_GSO_NONE: 0,
    VIRTIO_NET_HDR_GSO_TCPV4: 1,
    VIRTIO_NET_HDR_GSO_UDP: 3,
    VIRTIO_NET_HDR_GSO_TCPV6: 4,
    VIRTIO_NET_HDR_GSO_UDP_L4: 5,
    VIRTIO_NET_HDR_GSO_ECN: 0x80,
  });
});

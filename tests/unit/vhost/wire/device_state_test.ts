/** A port's state as bytes: there and back, and everything that must not be taken for one. */
import { strict as assert } from "node:assert";
import { crc32 } from "node:zlib";
import {
  decodeDeviceState,
  type DeviceState,
  encodeDeviceState,
  STATE_BYTES_MAX,
  STATE_MACS_MAX,
} from "../../../../lib/vhost/wire/device_state.ts";
import { isRefusal } from "../../../../lib/vhost/reasons.ts";

const STATE: DeviceState = {
  mac: { low: 0x00005452, high: 0x0700 },
  mtu: 9000,
  queuePairs: 4,
  learned: [
    { macLo: 0x00005452, macHi: 0x0700, ageSeconds: 0 },
    { macLo: -2, macHi: 0xffff, ageSeconds: 12 },
    { macLo: 0x10, macHi: (4094 << 16) | 1, ageSeconds: 299 },
  ],
  counters: { rxFrames: 12_345_678_901, txFrames: 2 ** 53, txDroppedNoBuffer: 0 },
};
const EMPTY: DeviceState = { mac: null, mtu: null, queuePairs: 0, learned: [], counters: {} };

/** Why bytes are no state. */
function fault(bytes: Uint8Array): string {
  const state = decodeDeviceState(bytes);
  assert(isRefusal(state), "it is refused");
  assert(state.detail.length > 0);
  return state.code;
}

/** The same bytes with a checksum that is right. */
function sealed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  view.setUint32(12, copy.length - 20, true);
  view.setUint32(copy.length - 4, crc32(copy.subarray(0, -4)), true);
  return copy;
}

/** A state of these sections: type, flags, bytes. */
function made(...sections: readonly (readonly [number, number, Uint8Array])[]): Uint8Array {
  const body = sections.flatMap(([type, flags, value]) => {
    const head = new DataView(new ArrayBuffer(8));
    head.setUint16(0, type, true);
    head.setUint16(2, flags, true);
    head.setUint32(4, value.length, true);
    return [...new Uint8Array(head.buffer), ...value];
  });
  const bytes = new Uint8Array([...new TextEncoder().encode("vuswport"), 1, 0, 0, 0, 0, 0, 0, 0]);
  return sealed(new Uint8Array([...bytes, ...body, 0, 0, 0, 0]));
}

const DEVICE = [1, 0, new Uint8Array(12)] as const;

Deno.test("decodeDeviceState() reads what encodeDeviceState() wrote", () => {
  for (const state of [STATE, EMPTY]) {
    assert.deepEqual(decodeDeviceState(encodeDeviceState(state)), state);
  }
  const text = new TextDecoder().decode(encodeDeviceState(STATE));
  assert(text.startsWith("vuswport\u0001\0"), "magic and version");
});

Deno.test("encodeDeviceState() takes the addresses seen last, and stays below its limit", () => {
  const learned = Array.from({ length: STATE_MACS_MAX + 1000 }, (_, i) => ({
    macLo: 2 * (i + 1),
    macHi: 0,
    ageSeconds: i % 1000,
  }));
  const bytes = encodeDeviceState({ ...EMPTY, learned });
  assert(bytes.length < STATE_BYTES_MAX);
  const state = decodeDeviceState(bytes);
  assert(!isRefusal(state));
  assert.equal(state.learned.length, STATE_MACS_MAX);
  const ages = learned.map(({ ageSeconds }) => ageSeconds).sort((a, b) => a - b);
  assert.equal(
    state.learned.at(-1)?.ageSeconds,
    ages[STATE_MACS_MAX - 1],
    "the oldest stay behind",
  );
});

Deno.test("encodeDeviceState() bounds counters to what can be read again", () => {
  const bytes = encodeDeviceState({ ...EMPTY, counters: { rxBytes: 2 ** 60 } });
  const state = decodeDeviceState(bytes);
  assert(!isRefusal(state));
  assert.deepEqual(state.counters, { rxBytes: 2 ** 53 });
});

Deno.test("decodeDeviceState() refuses every shorter state, and one that goes on", () => {
  const bytes = encodeDeviceState(STATE);
  for (let end = 0; end < bytes.length; end++) {
    assert.equal(fault(bytes.slice(0, end)), "state-truncated", `${end} bytes`);
  }
  assert.equal(fault(new Uint8Array([...bytes, 0])), "state-trailing");
  assert.equal(fault(new Uint8Array([...bytes, ...bytes])), "state-trailing");
  assert.equal(fault(new Uint8Array(STATE_BYTES_MAX + 1)), "state-too-long");
});

Deno.test("decodeDeviceState() refuses every single bit that is wrong", () => {
  const bytes = encodeDeviceState(STATE);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const wrong = bytes.slice();
    wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const code = fault(wrong);
    if (bit < 64) assert.equal(code, "bad-state");
    else if (bit < 80) assert.equal(code, "state-version");
    else if (bit < 96 || bit >= 128) assert.equal(code, "state-corrupted");
    else assert(["state-truncated", "state-trailing"].includes(code), code);
  }
});

Deno.test("decodeDeviceState() refuses another version, checksum right or not", () => {
  for (const version of [0, 2, 0xffff]) {
    const bytes = encodeDeviceState(STATE);
    new DataView(bytes.buffer).setUint16(8, version, true);
    assert.equal(fault(bytes), "state-version");
    assert.equal(fault(sealed(bytes)), "state-version");
  }
});

Deno.test("decodeDeviceState() refuses what is wrong under a right checksum", () => {
  const address = (low: number, high: number): Uint8Array => {
    const view = new DataView(new ArrayBuffer(12));
    view.setInt32(0, low, true);
    view.setUint32(4, high, true);
    return new Uint8Array(view.buffer);
  };
  const wrong: [string, Uint8Array][] = [
    ["no sections", made()],
    ["no device", made([2, 0, address(2, 0)])],
    ["a short device", made([1, 0, new Uint8Array(11)])],
    ["a group's device", made([1, 0, new Uint8Array([1, ...new Uint8Array(11)])])],
    ["two devices", made(DEVICE, DEVICE)],
    ["a section nobody knows", made(DEVICE, [4, 0, new Uint8Array(3)])],
    ["a part of an address alone", made(DEVICE, [2, 0, new Uint8Array(8).fill(2)])],
    ["a part of an address", made(DEVICE, [2, 0, new Uint8Array(13).fill(2)])],
    ["a group's address", made(DEVICE, [2, 0, address(1, 0)])],
    ["nobody's address", made(DEVICE, [2, 0, address(0, 0)])],
    ["VLAN 4095", made(DEVICE, [2, 0, address(2, 4095 << 16)])],
    ["VLAN 65535", made(DEVICE, [2, 0, address(2, 0xffff0000)])],
    ["a counter cut off", made(DEVICE, [3, 1, new Uint8Array([2, 65, 65, 0, 0, 0, 0, 0, 0, 0])])],
    ["a name cut off", made(DEVICE, [3, 1, new Uint8Array([255])])],
    ["a counter of 2^56", made(DEVICE, [3, 1, new Uint8Array([1, 65, 0, 0, 0, 0, 0, 0, 0, 1])])],
  ];
  for (const [what, bytes] of wrong) assert.equal(fault(bytes), "bad-state", what);
  const reserved = encodeDeviceState(STATE);
  reserved[10] = 1;
  assert.equal(fault(sealed(reserved)), "state-corrupted", "a word that must be 0");
  const long = made(DEVICE);
  new DataView(long.buffer).setUint32(20, 13, true);
  assert.equal(fault(sealed(long)), "bad-state", "a section longer than the state");
  const half = made(DEVICE, [2, 0, new Uint8Array()]).slice(0, -4);
  assert.equal(fault(sealed(half)), "bad-state", "half a section's head");
});

Deno.test("decodeDeviceState() takes addresses of which one half is zero for addresses", () => {
  for (const mac of [{ low: 0, high: 0x0700 }, { low: 0x5452, high: 0 }]) {
    const learned = [{ macLo: mac.low, macHi: mac.high, ageSeconds: 1 }];
    const state: DeviceState = { ...EMPTY, mac, learned };
    assert.deepEqual(decodeDeviceState(encodeDeviceState(state)), state);
  }
});

Deno.test("decodeDeviceState() knows counters that must not be left out", () => {
  const counter = new Uint8Array([1, 65, 7, 0, 0, 0, 0, 0, 0, 0]);
  const state = decodeDeviceState(made(DEVICE, [3, 0, counter]));
  assert.deepEqual(state, { ...EMPTY, counters: { A: 7 } });
});

Deno.test("decodeDeviceState() goes on without what a later version adds", () => {
  const counter = new Uint8Array([1, 65, 7, 0, 0, 0, 0, 0, 0, 0]);
  const state = decodeDeviceState(
    made([1, 0, new Uint8Array(40)], [77, 1, new Uint8Array(9)], [3, 1, counter]),
  );
  assert.deepEqual(state, { ...EMPTY, counters: { A: 7 } });
});

Deno.test("decodeDeviceState() survives random states with a right checksum", () => {
  let good = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = encodeDeviceState(STATE);
    for (let i = 0; i < 1 + round % 4; i++) {
      const [where = 0, what = 0] = crypto.getRandomValues(new Uint32Array(2));
      bytes[16 + where % (bytes.length - 20)] = what & 0xff;
    }
    if (!isRefusal(decodeDeviceState(sealed(bytes)))) good++;
  }
  assert(good > 0, "some only have other numbers");
});

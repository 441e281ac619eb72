/**
 * Frames for filters, byte by byte.
 *
 * @module
 */

/** Bytes of hex digits; spaces and line ends mean nothing. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.substr(2 * i, 2), 16),
  );
}

/** TCP from 10.0.0.1:50000 to 192.168.1.2:443, 60 bytes. */
export function CLASSIC_IP(): Uint8Array {
  return hex(`525400000002 525400000001 0800
    4500002c 00004000 40060000 0a000001 c0a80102
    c35001bb 00000000 00000000 50020000 00000000 0000000000 00`);
}

/** ARP, who has 10.0.0.2, from 10.0.0.1. */
export function ARP(): Uint8Array {
  return hex(`ffffffffffff 525400000001 0806
    0001 0800 06 04 0001 525400000001 0a000001 000000000000 0a000002`);
}

/** UDP from fe80::1 port 53 to 2001:db8::2 port 5353, behind more headers and in a first fragment. */
export function LONG_IP6(): Uint8Array {
  return hex(`333300000001 525400000001 86dd
    60000000 0018 00 40 fe800000000000000000000000000001 20010db8000000000000000000000002
    2c00 050200000000 1100 0001 00000007 0035 14e9 0008 0000`);
}

/** A frame with one more tag behind its addresses. */
export function tagged(frame: Uint8Array, vid: number, type = 0x8100): Uint8Array {
  const tag = [type >> 8, type & 0xff, vid >> 8, vid & 0xff];
  return Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]);
}

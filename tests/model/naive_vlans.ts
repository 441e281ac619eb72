/**
 * A bridge with VLANs, written as plainly as possible: frames are lists of bytes, VLANs are numbers in
 * lists, and nothing of lib/ is used.
 *
 * @module
 */

/** The VLANs of a port, as an operator would say it. */
export interface NaiveVlans {
  readonly vids: readonly number[];
  /** Of untagged frames; null: they are in none. */
  readonly native: number | null;
  readonly access: boolean;
}

/** A port that says nothing: all VLANs, untagged frames in 1. */
export const PLAIN: NaiveVlans = {
  vids: Array.from({ length: 4094 }, (_, i) => i + 1),
  native: 1,
  access: false,
};

/** An access port. */
export function accessOf(vid: number): NaiveVlans {
  return { vids: [vid], native: vid, access: true };
}

/** A trunk. */
export function trunkOf(vids: readonly number[], native: number | null): NaiveVlans {
  return { vids, native, access: false };
}

const tagged = (frame: Uint8Array): boolean => frame[12] === 0x81 && frame[13] === 0x00;

function without(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)]);
}

function withTag(frame: Uint8Array, control: number): Uint8Array {
  const tag = [0x81, 0x00, control >> 8, control & 0xff];
  return Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]);
}

const macAt = (frame: Uint8Array, at: number): string => frame.subarray(at, at + 6).join(":");
const isGroup = (frame: Uint8Array, at: number): boolean => ((frame[at] ?? 0) & 1) !== 0;

/** What became of a frame: the counter of its drop, or what each port hears. */
export type Fate = { readonly drop: string } | { readonly heard: ReadonlyMap<number, Uint8Array> };

/** The bridge. */
export class NaiveVlanBridge {
  readonly ports: NaiveVlans[];
  /** Bytes of the longest frame of each port, a tag and the Ethernet header included. */
  readonly longest: number[];
  /** Port that each is linked with, or null. */
  readonly links: (number | null)[];
  readonly #learned = new Map<string, number>();

  constructor(ports: readonly NaiveVlans[], longest: readonly number[]) {
    this.ports = [...ports];
    this.longest = [...longest];
    this.links = ports.map(() => null);
  }

  /** A port has other VLANs. */
  set(port: number, vlans: NaiveVlans): void {
    this.ports[port] = vlans;
    this.#forget(port);
  }

  /** Two ports are linked. */
  link(one: number, other: number): void {
    this.links[one] = other;
    this.links[other] = one;
    for (const port of [one, other]) this.#forget(port);
  }

  #forget(port: number): void {
    for (const [key, at] of this.#learned) if (at === port) this.#learned.delete(key);
  }

  /** A frame comes. */
  send(from: number, frame: Uint8Array): Fate {
    const peer = this.links[from] ?? null;
    if (peer !== null && this.ports[from] === PLAIN && this.ports[peer] === PLAIN) {
      const passes = frame.length <= this.#most(from) && frame.length <= this.#most(peer);
      return passes ? { heard: new Map([[peer, frame]]) } : { drop: "oversize" };
    }
    const vlans = this.ports[from] as NaiveVlans;
    if (frame.length > this.#most(from)) return { drop: "rxDroppedOversize" };
    let control = vlans.native ?? 0;
    let inner = frame;
    if (tagged(frame)) {
      if (frame.length < 18) return { drop: "rxDroppedMalformed" };
      control = ((frame[14] ?? 0) << 8) | (frame[15] ?? 0);
      if (control % 4096 === 0) control += vlans.native ?? 0;
      inner = without(frame);
    }
    if (inner.length + 4 > this.#most(from)) return { drop: "rxDroppedOversize" };
    const vid = control % 4096;
    if (!vlans.vids.includes(vid)) return { drop: "rxDroppedVlan" };
    if (peer !== null) return this.#give([peer], inner, control);
    if (isGroup(frame, 6) || macAt(frame, 6) === "0:0:0:0:0:0") {
      return { drop: "rxDroppedBadSource" };
    }
    this.#learned.set(`${vid} ${macAt(frame, 6)}`, from);
    const known = this.#learned.get(`${vid} ${macAt(frame, 0)}`);
    if (!isGroup(frame, 0) && known !== undefined) {
      return known === from ? { drop: "rxDroppedSamePort" } : this.#give([known], inner, control);
    }
    const others = this.ports.flatMap((other, port) =>
      port !== from && this.links[port] === null && other.vids.includes(vid) ? [port] : []
    );
    return others.length === 0 ? { drop: "rxDroppedNoPort" } : this.#give(others, inner, control);
  }

  #most(port: number): number {
    return this.longest[port] ?? 0;
  }

  #give(ports: readonly number[], inner: Uint8Array, control: number): Fate {
    const heard = new Map<number, Uint8Array>();
    for (const port of ports) {
      const { vids, native, access } = this.ports[port] as NaiveVlans;
      if (!vids.includes(control % 4096) || inner.length + 4 > this.#most(port)) continue;
      const bare = control % 4096 === native && (access || !tagged(inner));
      heard.set(port, bare ? inner : withTag(inner, control));
    }
    return { heard };
  }
}

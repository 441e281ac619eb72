/**
 * How real drivers lay their rings and buffers out, read in their sources: one row of
 * docs/drivers.md each, by the same name.
 *
 * @module
 */

/** Pages of 4096 bytes. */
function pages(count: number): number[] {
  return Array<number>(count).fill(4096);
}

/** One driver's ways, as far as they are unusual or in use. */
export interface Layout {
  readonly driver: string;
  readonly packed: readonly boolean[];
  readonly size: number;
  readonly mergeable: boolean;
  readonly headerBytes: 10 | 12;
  readonly eventIdx: boolean;
  /** Bytes of each descriptor of a receive chain. */
  readonly receive: readonly number[];
  /** The first descriptor of all receive chains, and of all sent, is one and the same memory. */
  readonly sharedHeader?: true;
  readonly receiveIndirect?: true;
  /** Receive chains at most; default as many as fit. */
  readonly pending?: number;
  /** Where header and frame are cut to be sent. */
  readonly cuts: readonly number[];
  readonly sendIndirect?: true;
}

const MODERN = { headerBytes: 12, eventIdx: true } as const;
const LEGACY = { headerBytes: 10, eventIdx: false, mergeable: false, packed: [false] } as const;

/** The drivers. */
export const LAYOUTS: readonly Layout[] = [
  {
    ...{ driver: "Linux virtio_net", ...MODERN, packed: [false, true], size: 8, mergeable: true },
    ...{ receive: [1536], cuts: [12] },
  },
  {
    ...{ driver: "Linux, big packets", ...MODERN, packed: [false, true], size: 8 },
    ...{ mergeable: false, receive: [12, 4068, ...pages(17)], receiveIndirect: true },
    ...{ cuts: [12, 200, 500, 800, 900, 1000, 1100, 1200, 1300], sendIndirect: true },
  },
  {
    ...{ driver: "Linux, XDP", ...MODERN, packed: [false, true], size: 8, mergeable: true },
    ...{ receive: [3520], cuts: [] },
  },
  {
    ...{ driver: "User-Mode Linux virtio_uml", ...MODERN, packed: [false], size: 8 },
    ...{ mergeable: true, receive: [1536], cuts: [12] },
  },
  {
    ...{ driver: "Windows NetKVM", ...MODERN, packed: [false, true], size: 16, mergeable: false },
    ...{ receive: [12, ...pages(1)], receiveIndirect: true, cuts: [12, 66], sendIndirect: true },
  },
  {
    ...{ driver: "FreeBSD, DragonFly if_vtnet", ...LEGACY, size: 16 },
    ...{ receive: [10, 2034], cuts: [10, 64, 700] },
  },
  {
    ...{ driver: "OpenBSD vio", ...MODERN, packed: [false], size: 16, mergeable: false },
    ...{ receive: [12, 2036], cuts: [12, 100] },
  },
  {
    ...{ driver: "NetBSD vioif", ...LEGACY, size: 16, receive: [10, 1514], cuts: [10, 100] },
  },
  {
    ...{ driver: "illumos vioif", ...LEGACY, size: 32, receive: [10, 2022, ...pages(4)] },
    ...{ receiveIndirect: true, cuts: [10], sendIndirect: true },
  },
  {
    ...{ driver: "iPXE virtio-net", ...LEGACY, size: 16, receive: [10, 1518], pending: 8 },
    ...{ sharedHeader: true, cuts: [10] },
  },
  {
    ...{ driver: "OVMF VirtioNetDxe", ...MODERN, eventIdx: false, packed: [false], size: 16 },
    ...{ mergeable: false, receive: [12, 1514], cuts: [12] },
  },
  {
    ...{ driver: "U-Boot virtio-net", ...MODERN, eventIdx: false, packed: [false], size: 8 },
    ...{ mergeable: false, receive: [1526], cuts: [12] },
  },
  {
    ...{ driver: "DPDK virtio", ...MODERN, packed: [false, true], size: 16, mergeable: true },
    ...{ receive: [2060], cuts: [12], sendIndirect: true },
  },
  {
    ...{ driver: "DPDK virtio, vectors", ...MODERN, packed: [false, true], size: 16 },
    ...{ mergeable: false, receive: [2060], cuts: [12] },
  },
  {
    ...{ driver: "OSv virtio-net", ...MODERN, packed: [false], size: 16, mergeable: false },
    ...{ receive: [4096], cuts: [12, 70] },
  },
  {
    ...{ driver: "Unikraft virtio-net", ...LEGACY, size: 16, receive: [10, 1514], cuts: [10] },
  },
  {
    ...{ driver: "seL4 sDDF", ...MODERN, eventIdx: false, packed: [false], size: 16 },
    ...{ mergeable: false, receive: [12, 2048], cuts: [12] },
  },
  {
    ...{ driver: "rust virtio-drivers", ...MODERN, packed: [false], size: 4, mergeable: false },
    ...{ receive: [1526], cuts: [12] },
  },
];

/**
 * A virtio-user port of DPDK's testpmd at a port of the switch, without huge pages.
 *
 * @module
 */
import {
  asWords,
  type Attachment,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  plainPath,
  readAttachment,
} from "./attachment.ts";

/** Its memory, if nobody says another. */
export const TESTPMD_MEMORY = "256M";
/** What these take of it. */
const BUFFERS = 8192;
/** Ethernet header and check sequence, bytes. */
const FRAME_OVERHEAD = 18;
/** Frames that are sent may lie in several buffers (rte_ethdev.h). */
const RTE_ETH_TX_OFFLOAD_MULTI_SEGS = 1 << 15;
/** A frame of the usual MTU, bytes. */
const MTU_USUAL = 1500;

/** Its words, those of the EAL in front. @throws {ControlError} */
export function testpmdLine(attachment: Attachment): string[] {
  const { listens, queues, mtu, mac, memoryMib, packed } = attachment;
  const device = [
    "net_virtio_user0",
    `path=${plainPath("DPDK", attachment)}`,
    `mac=${mac}`,
    `queues=${queues}`,
    ...packed ? ["packed_vq=1"] : [],
    ...listens ? ["server=1"] : [],
  ];
  return [
    ...["--no-pci", "--no-huge", "--no-shconf", "-m", `${memoryMib}`],
    ...["--vdev", device.join(",")],
    ...["--", "-i", `--total-num-mbufs=${BUFFERS}`],
    ...queues === 1 ? [] : [`--rxq=${queues}`, `--txq=${queues}`],
    // A frame that no buffer holds comes and goes in several.
    ...mtu === null || mtu <= MTU_USUAL ? [] : [
      `--max-pkt-len=${mtu + FRAME_OVERHEAD}`,
      "--enable-scatter",
      `--tx-offloads=0x${RTE_ETH_TX_OFFLOAD_MULTI_SEGS.toString(16)}`,
    ],
  ];
}

/** The command line. @throws {ControlError} naming the fix */
export function emitTestpmd(port: AttachTo, words: AttachWords, host: string): EmittedAttachment {
  const attachment = readAttachment(
    port,
    { ...words, memory: words.memory ?? TESTPMD_MEMORY },
    host,
  );
  return asWords(attachment, testpmdLine(attachment));
}

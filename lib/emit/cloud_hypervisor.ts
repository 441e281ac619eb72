/**
 * Cloud Hypervisor's words for a guest at a port.
 *
 * @module
 */
import {
  asWords,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  plainPath,
  readAttachment,
  sizeWord,
} from "./attachment.ts";

/** The command line. @throws {ControlError} naming the fix */
export function emitCloudHypervisor(
  port: AttachTo,
  words: AttachWords,
  host: string,
): EmittedAttachment {
  const attachment = readAttachment(port, words, host);
  const { listens, queues, mtu, mac, memoryMib, nic } = attachment;
  const net = [
    `vhost_user=true,socket=${plainPath("Cloud Hypervisor", attachment)}`,
    `mac=${mac}`,
    // It counts both of a pair.
    `num_queues=${2 * queues}`,
    ...mtu === null ? [] : [`mtu=${mtu}`],
    ...listens ? ["vhost_mode=server"] : [],
  ];
  return asWords(attachment, [
    ...nic ? [] : ["--memory", `size=${sizeWord(memoryMib)},shared=on`],
    ...queues === 1 || nic ? [] : ["--cpus", `boot=${queues}`],
    ...["--net", net.join(",")],
  ]);
}

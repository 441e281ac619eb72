/**
 * QEMU's words for a guest at a port: on its command line, or for one that runs, by QMP.
 *
 * @module
 */
import {
  asFile,
  asWords,
  type Attachment,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  readAttachment,
  readStreamAttachment,
  sizeWord,
} from "./attachment.ts";

/** As typed. */
export interface QemuWords extends AttachWords {
  /** Without KVM: no MSI-X, with which QEMU 7.2 crashes then. */
  readonly tcg?: boolean;
  /** For a guest that runs: where the NIC goes. */
  readonly bus?: string;
}

/** Pause before QEMU connects again, seconds. */
const RECONNECT_SECONDS = 1;

function ids({ port }: Attachment): { chardev: string; netdev: string; nic: string; bus: string } {
  // Names of QEMU's start with a letter, and have no braces.
  const name = port.replaceAll(/[{}]/g, "");
  return { chardev: `vu-${name}`, netdev: `net-${name}`, nic: `nic-${name}`, bus: `rp-${name}` };
}

/** Properties of the NIC; of an IOMMU's, on a PCIe port: without ATS no back-end hears of unmaps. */
function nicOf(
  attachment: Attachment,
  tcg: boolean,
  bus: string | undefined,
): Record<string, string | number | boolean> {
  const { mac, mtu, queues, iommu, packed } = attachment;
  const { netdev, nic } = ids(attachment);
  return {
    ...{ driver: "virtio-net-pci", id: nic, netdev, mac },
    ...bus === undefined ? {} : { bus },
    ...iommu ? { iommu_platform: true, ats: true } : {},
    ...mtu === null ? {} : { host_mtu: mtu },
    ...queues === 1 ? {} : { mq: true },
    ...packed ? { packed: true } : {},
    ...tcg ? { vectors: 0 } : queues === 1 ? {} : { vectors: 2 * queues + 2 },
  };
}

function memoryWords({ memoryMib, nic }: Attachment): string[] {
  if (nic) return [];
  const size = sizeWord(memoryMib);
  return [
    ...["-m", size],
    ...["-object", `memory-backend-memfd,id=mem,size=${size},share=on`],
    ...["-numa", "node,memdev=mem"],
  ];
}

/** Properties as words of a device. */
function deviceWord({ driver, ...properties }: ReturnType<typeof nicOf>): string {
  const words = Object.entries(properties).map(([name, value]) =>
    `${name}=${value === true ? "on" : value}`
  );
  return [driver, ...words].join(",");
}

/** A comma in a value is two. */
function quoted(path: string): string {
  return path.replaceAll(",", ",,");
}

/** The command line of a guest that has a stream for a NIC: any memory will do. */
function emitStream(port: AttachTo, words: QemuWords, host: string): EmittedAttachment {
  const attachment = readStreamAttachment(port, words, host);
  const { socket, listens, nic, memoryMib } = attachment;
  const where = `addr.type=unix,addr.path=${quoted(socket)}`;
  const { netdev } = ids(attachment);
  return asWords(attachment, [
    ...nic ? [] : ["-m", sizeWord(memoryMib)],
    ...["-netdev", `stream,id=${netdev},server=${listens ? "on" : "off"},${where}`],
    ...["-device", deviceWord(nicOf(attachment, words.tcg ?? false, undefined))],
  ]);
}

/** The command line. @throws {ControlError} naming the fix */
export function emitQemu(port: AttachTo, words: QemuWords, host: string): EmittedAttachment {
  if (port.kind === "stream") return emitStream(port, words, host);
  const attachment = readAttachment(port, words, host);
  const { socket, listens, queues, iommu, nic } = attachment;
  const { chardev, netdev, bus } = ids(attachment);
  const device = deviceWord(nicOf(attachment, words.tcg ?? false, iommu ? bus : undefined));
  const how = listens ? "server=on,wait=off" : `reconnect=${RECONNECT_SECONDS}`;
  return asWords(attachment, [
    ...memoryWords(attachment),
    ...iommu && !nic
      ? [
        ...["-machine", "q35,kernel-irqchip=split"],
        ...["-device", "intel-iommu,intremap=on,device-iotlb=on"],
      ]
      : [],
    ...iommu ? ["-device", `pcie-root-port,id=${bus}`] : [],
    ...["-chardev", `socket,id=${chardev},path=${quoted(socket)},${how}`],
    ...["-netdev", `vhost-user,id=${netdev},chardev=${chardev},queues=${queues}`],
    ...["-device", device],
  ]);
}

/** Commands of QMP, one a line. */
function asCommands(
  attachment: Attachment,
  words: QemuWords,
  netdev: readonly unknown[],
): EmittedAttachment {
  const nic = {
    execute: "device_add",
    arguments: nicOf(attachment, words.tcg ?? false, words.bus),
  };
  return asFile(attachment, [...netdev, nic].map((command) => JSON.stringify(command)));
}

/** The same for a guest whose NIC is a stream. */
function emitStreamJson(port: AttachTo, words: QemuWords, host: string): EmittedAttachment {
  const attachment = readStreamAttachment(port, words, host);
  const { socket: path, listens: server } = attachment;
  const addr = { type: "unix", path };
  const netdev = { type: "stream", id: ids(attachment).netdev, server, addr };
  return asCommands(attachment, words, [{ execute: "netdev_add", arguments: netdev }]);
}

/** Commands of QMP, one a line, that give a running guest the NIC. @throws {ControlError} */
export function emitQemuJson(port: AttachTo, words: QemuWords, host: string): EmittedAttachment {
  if (port.kind === "stream") return emitStreamJson(port, words, host);
  const attachment = readAttachment(port, words, host);
  const { socket: path, listens, queues } = attachment;
  const { chardev, netdev } = ids(attachment);
  const how = listens
    ? { server: true, wait: false }
    : { server: false, reconnect: RECONNECT_SECONDS };
  const data = { addr: { type: "unix", data: { path } }, ...how };
  return asCommands(attachment, words, [
    {
      execute: "chardev-add",
      arguments: { id: chardev, backend: { type: "socket", data } },
    },
    { execute: "netdev_add", arguments: { type: "vhost-user", id: netdev, chardev, queues } },
  ]);
}

/**
 * A guest at a port as libvirt's domain (libvirt.org/formatdomain.html), or its NIC alone.
 *
 * @module
 */
import {
  asFile,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  readAttachment,
} from "./attachment.ts";

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** The XML. @throws {ControlError} naming the fix */
export function emitLibvirt(port: AttachTo, words: AttachWords, host: string): EmittedAttachment {
  const attachment = readAttachment(port, words, host);
  const { socket, listens, queues, mtu, mac, iommu, memoryMib, nic, packed } = attachment;
  const driver = [
    ...queues === 1 ? [] : [`queues="${queues}"`],
    ...iommu ? ['iommu="on"', 'ats="on"'] : [],
    ...packed ? ['packed="on"'] : [],
  ];
  const path = `type="unix" path="${escaped(socket)}"`;
  const card = [
    '<interface type="vhostuser">',
    `  <mac address="${mac}"/>`,
    // `mode` is libvirt's side.
    ...listens ? [`  <source ${path} mode="server"/>`] : [
      `  <source ${path} mode="client">`,
      '    <reconnect enabled="yes" timeout="1"/>',
      "  </source>",
    ],
    '  <model type="virtio"/>',
    ...driver.length === 0 ? [] : [`  <driver ${driver.join(" ")}/>`],
    ...mtu === null ? [] : [`  <mtu size="${mtu}"/>`],
    "</interface>",
  ];
  if (nic) return asFile(attachment, card);
  return asFile(attachment, [
    '<domain type="kvm">',
    `  <name>${attachment.port.replaceAll(/[{}]/g, "")}</name>`,
    `  <memory unit="MiB">${memoryMib}</memory>`,
    `  <vcpu>${queues}</vcpu>`,
    "  <memoryBacking>",
    '    <source type="memfd"/>',
    '    <access mode="shared"/>',
    "  </memoryBacking>",
    "  <os>",
    '    <type machine="q35">hvm</type>',
    "  </os>",
    ...iommu ? ["  <features>", '    <ioapic driver="qemu"/>', "  </features>"] : [],
    "  <devices>",
    ...iommu
      ? [
        '    <iommu model="intel">',
        '      <driver intremap="on" iotlb="on"/>',
        "    </iommu>",
      ]
      : [],
    ...card.map((line) => `    ${line}`),
    "  </devices>",
    "</domain>",
  ]);
}

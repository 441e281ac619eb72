/**
 * Commands that print how a guest is attached to a port. They ask the switch what the port has, or
 * take it from a specification where there is none.
 *
 * @module
 */
import { dirname } from "node:path";
import { parsePortSpec } from "../../control/config/port_spec.ts";
import type { ListenerStatus, PortStatus } from "../../control/types.ts";
import type { AttachTo, AttachWords, EmittedAttachment } from "../../emit/attachment.ts";
import {
  ask,
  CLIENT_FLAGS,
  type ClientFlags,
  type CommandRow,
  type Flag,
  type Flags,
  OUTPUT,
  PORT,
  portPath,
  printing,
} from "../command.ts";
import { trustedControlPath } from "../control_path.ts";
import { CliError, EXIT_UNREACHABLE } from "../failure.ts";

const ATTACH_FLAGS = {
  ...CLIENT_FLAGS,
  output: { ...OUTPUT, brief: "how to print: as the program takes it, or as JSON" },
  offline: { brief: "ask no switch: PORT is a SPEC, as in port add", yes: true },
  mac: {
    brief: "of the NIC (the port's mac= or static=, or one made of the port's and host's names)",
    placeholder: "ADDRESS",
  },
  queues: { brief: "queue pairs (the port's queues=, or 1)", placeholder: "N" },
} as const satisfies Flags;

const MEMORY = { brief: "of the guest (1G)", placeholder: "SIZE" } as const satisfies Flag;
const BUFFERS = { ...MEMORY, brief: "for buffers (256M)" } as const satisfies Flag;
const NIC = {
  brief: "the NIC alone, of a guest whose memory is shared already",
  yes: true,
} as const satisfies Flag;
const PACKED = { brief: "with packed rings", yes: true } as const satisfies Flag;
const TCG = {
  brief: "for a QEMU without KVM: no MSI-X, with which QEMU 7.2 crashes then",
  yes: true,
} as const satisfies Flag;

interface AttachFlags extends ClientFlags, AttachWords {
  readonly offline?: boolean;
}

/** What the specification of a port says. @throws {ControlError} */
async function written(flags: AttachFlags, spec: string): Promise<AttachTo> {
  const { offeredBy } = await import("../../control/vhost_port/offered.ts");
  const port = parsePortSpec(spec, dirname(flags.ctl ?? trustedControlPath()));
  const { isUplink } = await import("../../control/config/port_targets.ts");
  const { name, path, mode = "listen", kind = "vhost", mtu = null } = port;
  const offered = kind === "vhost" ? offeredBy(port) : null;
  return { name, socket: path, mode, offered, kind, uplink: isUplink(port), mtu };
}

/** What the switch says. @throws {ControlError} there is no such port; {CliError} */
async function asked(flags: AttachFlags, name: string): Promise<AttachTo> {
  try {
    const port = await ask<PortStatus | ListenerStatus>(flags, "GET", portPath(name));
    return { ...port, mode: "mode" in port ? port.mode : "listen" };
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== EXIT_UNREACHABLE) throw error;
    const hint = `${error.hint ?? ""}, or ask none with --offline SPEC`;
    throw new CliError(EXIT_UNREACHABLE, error.message, hint);
  }
}

/** Name of this host; "" where it may not be read. */
function hostName(): string {
  try {
    return Deno.hostname();
  } catch {
    return "";
  }
}

/** A row of these commands. @param load brings what makes the text */
function attaching<const More extends Flags, Words extends AttachWords>(
  target: string,
  brief: string,
  examples: readonly string[],
  more: More,
  load: () => Promise<(port: AttachTo, words: Words, host: string) => EmittedAttachment>,
): CommandRow {
  return printing<typeof ATTACH_FLAGS & More, "attachment">({
    words: ["emit", target],
    brief,
    examples,
    arguments: [PORT],
    flags: { ...ATTACH_FLAGS, ...more },
  }, async () => {
    const emit = await load();
    const { attachmentText } = await import("../../emit/attachment.ts");
    return {
      document: () => "attachment",
      read: async (flags, name = "") => {
        const given = flags as unknown as AttachFlags;
        const port = given.offline ? await written(given, name) : await asked(given, name);
        return emit(port, given as unknown as Words, hostName());
      },
      draw: attachmentText,
    };
  });
}

/** In the order help lists them. */
export const ATTACH_COMMANDS: readonly CommandRow[] = [
  attaching(
    "qemu",
    "print QEMU's words for a guest at a port",
    [
      "qemu-system-x86_64 -M q35 -accel kvm $(vuswitch emit qemu vm1) disk.img",
      "vuswitch emit qemu vm1 --memory 4G --queues 4",
      "vuswitch emit qemu vm2 --nic",
      "vuswitch emit qemu vm3=/run/vm3.sock,mode=connect --offline",
      "vuswitch emit qemu vm4=stream:/run/vm4.sock --offline",
    ],
    { memory: MEMORY, nic: NIC, packed: PACKED, tcg: TCG },
    async () => (await import("../../emit/qemu.ts")).emitQemu,
  ),
  attaching(
    "qemu-json",
    "print commands of QMP that give a running QEMU a NIC at a port",
    ["vuswitch emit qemu-json vm1 --bus rp0"],
    {
      ...{ packed: PACKED, tcg: TCG },
      bus: {
        brief: "where it goes (the machine's own; a free pcie-root-port with q35)",
        placeholder: "NAME",
      },
    },
    async () => (await import("../../emit/qemu.ts")).emitQemuJson,
  ),
  attaching(
    "libvirt",
    "print a libvirt domain with a NIC at a port, or the NIC alone",
    ["vuswitch emit libvirt vm1", "vuswitch emit libvirt vm1 --nic > nic.xml"],
    { memory: MEMORY, nic: NIC, packed: PACKED },
    async () => (await import("../../emit/libvirt.ts")).emitLibvirt,
  ),
  attaching(
    "cloud-hypervisor",
    "print Cloud Hypervisor's words for a guest at a port",
    ["vuswitch emit cloud-hypervisor vm1 --memory 4G"],
    { memory: MEMORY, nic: NIC },
    async () => (await import("../../emit/cloud_hypervisor.ts")).emitCloudHypervisor,
  ),
  attaching(
    "testpmd",
    "print words of DPDK's testpmd for a virtio-user port at a port",
    ["dpdk-testpmd $(vuswitch emit testpmd vm1)"],
    { memory: BUFFERS, packed: PACKED },
    async () => (await import("../../emit/testpmd.ts")).emitTestpmd,
  ),
  attaching(
    "kubernetes",
    "print a pod of Kubernetes whose process is at a port",
    ["vuswitch emit kubernetes vm1 --image registry.example/dpdk:22.11 | kubectl apply -f -"],
    {
      ...{ memory: BUFFERS, packed: PACKED },
      image: { brief: "of the container, with dpdk-testpmd (dpdk:latest)", placeholder: "IMAGE" },
    },
    async () => (await import("../../emit/kubernetes.ts")).emitKubernetes,
  ),
];

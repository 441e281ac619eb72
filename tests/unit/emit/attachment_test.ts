/** What each program is told of a port; tests/e2e/attach_test.ts has the programs read it. */
import { strict as assert } from "node:assert";
import { parse } from "@std/yaml/parse";
import { isUplink } from "../../../lib/control/config/port_targets.ts";
import { parsePortSpec } from "../../../lib/control/config/port_spec.ts";
import { ControlError } from "../../../lib/control/types.ts";
import { offeredBy } from "../../../lib/control/vhost_port/offered.ts";
import {
  attachmentText,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  macOfPort,
} from "../../../lib/emit/attachment.ts";
import { emitCloudHypervisor } from "../../../lib/emit/cloud_hypervisor.ts";
import { emitKubernetes } from "../../../lib/emit/kubernetes.ts";
import { emitLibvirt } from "../../../lib/emit/libvirt.ts";
import { emitQemu, emitQemuJson } from "../../../lib/emit/qemu.ts";
import { emitTestpmd } from "../../../lib/emit/testpmd.ts";

type Emit = (port: AttachTo, words: AttachWords, host: string) => EmittedAttachment;

const ALL: readonly Emit[] = [
  ...[emitQemu, emitQemuJson, emitLibvirt, emitCloudHypervisor, emitTestpmd, emitKubernetes],
];
const MAC = "52:54:00:00:00:07";

function port(spec: string): AttachTo {
  const config = parsePortSpec(spec, "/run/vuswitch");
  const offered = config.kind === undefined ? offeredBy(config) : null;
  const { name, path, mode = "listen", kind = "vhost", mtu = null } = config;
  return { name, socket: path, mode, offered, kind, uplink: isUplink(config), mtu };
}

function text(emit: Emit, spec: string, words: AttachWords = {}): string {
  return attachmentText(emit(port(spec), { mac: MAC, ...words }, "host"));
}

Deno.test("each program is told who makes the socket, from its own side", () => {
  const sides: readonly [Emit, string, string][] = [
    [emitQemu, "/vm1.sock,reconnect=1 ", "/vm1.sock,server=on,wait=off "],
    [emitQemuJson, '"server":false,"reconnect":1', '"server":true,"wait":false'],
    [emitLibvirt, 'mode="client">\n        <reconnect enabled="yes"', 'mode="server"/>'],
    [emitCloudHypervisor, "num_queues=2\n", "num_queues=2,vhost_mode=server\n"],
    [emitTestpmd, "queues=1 --", "queues=1,server=1 --"],
    [emitKubernetes, 'queues=1"', 'queues=1,server=1"'],
  ];
  assert.deepEqual(sides.map(([emit]) => emit), ALL);
  for (const [emit, listen, connect] of sides) {
    const [listening, connecting] = [text(emit, "vm1"), text(emit, "vm1,mode=connect")];
    assert(listening.includes(listen) && !listening.includes(connect), listening);
    assert(connecting.includes(connect) && !connecting.includes(listen), connecting);
    for (const each of [listening, connecting]) {
      assert(each.includes("/run/vuswitch/vm1.sock") && each.includes(MAC), each);
    }
  }
});

Deno.test("MTU, queues, packed rings and memory are the port's, or as typed", () => {
  const spec = "vm1,mtu=9000,queues=4";
  const told: readonly [Emit, readonly string[]][] = [
    [emitQemu, ["queues=4 ", "host_mtu=9000,mq=on,packed=on,vectors=10", "size=2G,", "-m 2G "]],
    [emitQemuJson, ['"queues":4', '"host_mtu":9000,"mq":true,"packed":true,"vectors":10']],
    [emitLibvirt, ['queues="4" packed="on"', '<mtu size="9000"/>', '"MiB">2048<']],
    [emitCloudHypervisor, ["num_queues=8,mtu=9000", "size=2G,shared=on", "boot=4"]],
    [emitTestpmd, ["queues=4,packed_vq=1 ", "-m 2048 ", "--rxq=4 --txq=4 --max-pkt-len=9018"]],
    [emitKubernetes, ["queues=4,packed_vq=1", '"--max-pkt-len=9018"', "memory: 2176Mi"]],
  ];
  for (const [emit, parts] of told) {
    const all = text(emit, spec, { packed: true, memory: "2G" });
    for (const part of parts) assert(all.includes(part), `${part}: ${all}`);
    const few = text(emit, spec, { queues: "1" });
    assert(!/mq=|"mq"|<driver|num_queues=8|rxq|queues=4|queues":4/.test(few), few);
    assert(!/mtu|max-pkt/.test(text(emit, "vm1")), "nobody named an MTU");
  }
  assert(text(emitQemu, spec, { memory: "1536M" }).startsWith("-m 1536M "));
});

Deno.test("without KVM there is no MSI-X, and an IOMMU is in front of NICs that may have one", () => {
  const tcg = attachmentText(emitQemu(port("vm1,queues=2"), { tcg: true }, "host"));
  assert(tcg.includes("mq=on,vectors=0\n"), tcg);
  const iommu = text(emitQemu, "vm1,offer=iommu");
  assert.match(iommu, /intel-iommu,.*-device pcie-root-port,id=rp-vm1 .*bus=rp-vm1,iommu_platform/);
  assert.match(text(emitQemu, "vm1,offer=iommu", { nic: true }), /^-device pcie-root-port/);
  assert.match(text(emitLibvirt, "vm1,offer=iommu"), /<iommu .*<driver iommu="on" ats="on"\/>/s);
  assert(!text(emitQemu, "vm1").includes("iommu"));
});

Deno.test("the NIC alone brings no memory, and is part of the whole", () => {
  for (const emit of [emitQemu, emitLibvirt, emitCloudHypervisor]) {
    const lines = (words: AttachWords): string[] => text(emit, "vm1", words).trim().split("\n");
    const nic = lines({ nic: true }).map((line) => line.trim());
    const whole = lines({}).map((line) => line.trim()).join("\n");
    assert(whole.endsWith(nic.join("\n")) || whole.includes(nic.join("\n")), whole);
    assert(!/memory|share/.test(nic.join("\n")), nic.join("\n"));
  }
});

Deno.test("an address is the port's, the typed one, or made of port and host, the same each time", () => {
  const macOf = (spec: string, words: AttachWords = {}, host = "a"): string =>
    emitQemu(port(spec), words, host).mac;
  assert.equal(macOf("vm1,mac=52:54:00:00:00:09"), "52:54:00:00:00:09");
  assert.equal(macOf("vm1,static=52:54:00:00:00:08"), "52:54:00:00:00:08");
  assert.equal(
    macOf("vm1,mac=52:54:00:00:00:09", { mac: "52:54:00:00:00:AA" }),
    "52:54:00:00:00:aa",
  );
  assert.equal(macOf("vm1"), macOf("vm1=/elsewhere"));
  assert.match(macOf("vm1"), /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.notEqual(macOf("vm1"), macOf("vm1", {}, "b"));
  const hundred = Array.from({ length: 100 }, (_, n) => macOfPort(`vm${n}`, "host"));
  assert.equal(new Set(hundred).size, 100);
});

Deno.test("the pod has the fields of its kind, and the words of testpmd", () => {
  const { words } = emitTestpmd(port("VM_1.x=/srv/it.sock"), {}, "h");
  const pod = parse(text(emitKubernetes, "VM_1.x=/srv/it.sock", { mac: macOfPort("VM_1.x", "h") }));
  const volume = { name: "sockets", hostPath: { path: "/srv", type: "Directory" } };
  assert.deepEqual(pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "vuswitch-vm-1-x" },
    spec: {
      restartPolicy: "Always",
      containers: [{
        ...{ name: "testpmd", image: "dpdk:latest", stdin: true, tty: true },
        ...{ command: ["dpdk-testpmd"], args: words },
        resources: { limits: { memory: "384Mi" } },
        volumeMounts: [{ name: "sockets", mountPath: "/srv" }],
      }],
      volumes: [volume],
    },
  });
});

Deno.test("paths are quoted as each program reads them, or refused", () => {
  const odd = { ...port("vm1"), socket: `/run/a,b/it's <"&>.sock` };
  const qemu = attachmentText(emitQemu(odd, {}, ""));
  assert(qemu.includes(`'socket,id=vu-vm1,path=/run/a,,b/it'\\''s <"&>.sock,reconnect=1'`), qemu);
  assert(attachmentText(emitQemuJson(odd, {}, "")).includes(JSON.stringify(odd.socket)));
  const xml = attachmentText(emitLibvirt(odd, {}, ""));
  assert(xml.includes(`path="/run/a,b/it's &lt;&quot;&amp;>.sock"`), xml);
  for (const emit of [emitCloudHypervisor, emitTestpmd, emitKubernetes]) {
    assert.throws(() => emit(odd, {}, ""), /cannot be told the socket of port "vm1"/);
  }
});

Deno.test("QEMU has a stream for a NIC where the port is one, from its own side, and shares nothing", () => {
  assert.equal(
    text(emitQemu, "s=stream:/run/s.sock", { memory: "256M", packed: true }),
    "-m 256M -netdev stream,id=net-s,server=off,addr.type=unix,addr.path=/run/s.sock " +
      `-device virtio-net-pci,id=nic-s,netdev=net-s,mac=${MAC},packed=on\n`,
  );
  const odd = { ...port("s=stream:/x"), socket: "stream:/run/a,b.sock" };
  assert(attachmentText(emitQemu(odd, {}, "")).includes("addr.path=/run/a,,b.sock "));
  assert(!text(emitQemu, "s=stream:/run/s.sock", { nic: true }).includes("-m "));
  const connecting = "s=stream:/run/s.sock,mode=connect,uplink=off,mtu=1400";
  assert.match(text(emitQemu, connecting), /server=on,.*host_mtu=1400\n/);
  const [netdev, device] = text(emitQemuJson, connecting).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(netdev.arguments, {
    ...{ type: "stream", id: "net-s", server: true },
    addr: { type: "unix", path: "/run/s.sock" },
  });
  assert.equal(device.arguments.mac, MAC);
});

Deno.test("who wants a guest at a port of another kind is told what goes there", () => {
  const rows: readonly (readonly [Emit, string, AttachWords, string])[] = [
    [emitLibvirt, "s=stream:/run/s", {}, "vuswitch emit qemu s"],
    [emitTestpmd, "s=stream:/run/s", {}, "vuswitch emit qemu s"],
    [emitQemu, "s=seqpacket:/run/s", {}, "slirp4netns --target-type=bess /run/s"],
    [emitQemu, "s=tap:vsw0", {}, "socket of its own"],
    [emitQemu, "s=stream:/run/s,mode=connect", {}, "passt -f -s /run/s"],
  ];
  for (const [emit, spec, words, help] of rows) {
    assert.throws(() => emit(port(spec), words, ""), (error) => {
      assert(error instanceof ControlError && error.kind === "invalid");
      assert(error.hint?.includes(help), `${spec}: ${error.hint}`);
      return true;
    });
  }
  for (const emit of [emitQemu, emitQemuJson]) {
    assert.throws(() => emit(port("s=stream:/run/s"), { queues: "2" }, ""), /must be 1: port "s"/);
  }
});

Deno.test("what cannot be attached, or typed wrong, is one line with what helps", () => {
  const rows: (readonly [AttachTo, AttachWords, RegExp])[] = [
    [port("up=nat"), {}, /no vhost-user front-end attaches/],
    [port("up=tap:vsw0"), {}, /Port "up" is tap:vsw0/],
    [{ ...port("vm1"), socket: "fd 5" }, {}, /without a path/],
    [{ ...port("vm1"), socket: "/a\nb" }, {}, /without a path/],
    ...["", "0M", "1", "1024", "9T", "-1G", "1G,share=off", "1g"].map((memory) =>
      [port("vm1"), { memory }, /size from 1M to 8T/] as const
    ),
    ...["", "0", "33", "1.5", "2,x"].map((queues) =>
      [port("vm1"), { queues }, /number from 1 to 32/] as const
    ),
    [port("vm1,queues=2"), { queues: "3" }, /from 1 to 2, as port "vm1" has/],
    ...["", "x", "01:00:00:00:00:00", "00:00:00:00:00:00", `${MAC},id=x`].map((mac) =>
      [port("vm1"), { mac }, /must be a station's/] as const
    ),
  ];
  for (const [to, words, message] of rows) {
    for (const emit of ALL) {
      assert.throws(() => emit(to, words, "host"), (error) => {
        assert(error instanceof ControlError && error.kind === "invalid");
        assert.match(error.message, message);
        return true;
      }, JSON.stringify(words));
    }
  }
  for (const image of ["", "a b", "x\n  y: z", "-x"]) {
    assert.throws(() => emitKubernetes(port("vm1"), { image }, ""), /must be an image's name/);
  }
});

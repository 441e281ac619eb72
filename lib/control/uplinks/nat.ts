/**
 * The internet behind a port, in one word. Who may make networks has the kernel translate, behind a
 * TAP device with a name server and addresses for guests by dnsmasq; who may not has slirp4netns or
 * passt do all of that, at a socket. What is made is lib/control/nat's; frames go through an uplink
 * of another kind, which this one has inside.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import { readSubnet } from "../nat/subnet.ts";
import { Helper, type HelperOptions } from "../nat/helper.ts";
import { HostNat, pickSubnet } from "../nat/host_nat.ts";
import { mayMakeNetworks, needPrograms, needUserNat } from "../nat/programs.ts";
import { DEVICE_TEMPLATE } from "../nat/ruleset.ts";
import {
  makeRuntimeFolder,
  removeRuntimeFolder,
  sweepRuntimeFolders,
} from "../nat/runtime_folder.ts";
import { dnsmasqWords, passtWords, slirpWords } from "../nat/words.ts";
import { hostText, type Subnet, subnetText } from "../nat/subnet.ts";
import { ControlError, type PortConfig, type PortProblem, type PortStatus } from "../types.ts";
import type { PortContext } from "../vhost_port/context.ts";
import { StreamUplink } from "./stream.ts";
import { TapUplink } from "./tap.ts";
import type { Uplink, UplinkFacts, UplinkHost } from "./uplink.ts";

/** How frames are translated, once that is known. */
interface Way {
  readonly by: "tap" | "slirp4netns" | "passt";
  readonly subnet: Subnet;
  readonly gateway: string;
  readonly helper: Helper;
}

/** NAT behind a port. Control thread only. */
export class NatUplink implements Uplink {
  readonly #host: UplinkHost;
  readonly #context: PortContext;
  readonly #wanted: Subnet | null;
  #folder: string | null = null;
  #inner: Uplink | null = null;
  #hostNat: HostNat | null = null;
  #way: Way | null = null;
  /** The device that the way was made for; it may be made anew, under another name. */
  #device = "";
  #closed = false;

  /** Nothing is made before {@linkcode open}. */
  constructor(host: UplinkHost, context: PortContext) {
    this.#host = host;
    this.#context = context;
    const { subnet } = host.config;
    this.#wanted = subnet === undefined ? null : readSubnet(subnet);
  }

  /** As {@linkcode Uplink.open}. @throws {ControlError} the first time: it cannot be had */
  open(): void {
    if (this.#inner !== null) {
      this.#inner.open();
      return;
    }
    try {
      if (mayMakeNetworks()) this.#openByKernel();
      else this.#openByUser();
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const text = error.message.startsWith("Cannot add port")
        ? error.message
        : `Cannot add port ${this.#host.config.name}: ${error.message}`;
      throw new ControlError(error.kind, text, error.hint);
    }
  }

  /** The host of the uplink inside: what that one is told, with news of its link. */
  #innerHost(config: PortConfig, linkIs: (up: boolean) => void): UplinkHost {
    return {
      ...this.#host,
      config,
      setLink: (up, text) => {
        this.#host.setLink(up, text);
        if (this.#way !== null && !this.#closed) linkIs(up);
      },
    };
  }

  #makeFolder(): string {
    try {
      const swept = sweepRuntimeFolders();
      if (swept > 0) this.#host.log("info", "nat-swept", "ended what a killed switch had left");
      return this.#folder = makeRuntimeFolder();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ControlError("failed", `no folder can be made for NAT: ${why}`);
    }
  }

  #openByKernel(): void {
    const { nft, dnsmasq } = needPrograms("nft", "dnsmasq");
    const hostNat = new HostNat(nft);
    this.#hostNat = hostNat;
    if (hostNat.sweep() > 0) {
      this.#host.log("info", "nat-swept", "took away the tables of a killed switch");
    }
    const folder = this.#makeFolder();
    const { name, mtu } = this.#host.config;
    const config = { name, path: `tap:${DEVICE_TEMPLATE}`, kind: "tap" as const };
    const inner = new TapUplink(
      this.#innerHost({ ...config, ...mtu === undefined ? {} : { mtu } }, (up) => {
        if (up) this.#dressAgain(dnsmasq, folder);
      }),
    );
    this.#inner = inner;
    inner.open();
    this.#dress(dnsmasq, folder);
    this.#warnOfChains(hostNat);
  }

  /** Makes the device the guests' way out. @throws {ControlError} */
  #dress(dnsmasq: string, folder: string): void {
    const hostNat = present(this.#hostNat, "NAT of the host");
    const device = present(this.#inner?.facts.device ?? null, "the device").name;
    const subnet = this.#way?.subnet ?? pickSubnet(this.#wanted, Number(/\d+$/.exec(device)));
    this.#device = device;
    hostNat.address(device, subnet);
    hostNat.open(device, subnet);
    const gateway = hostText(subnet, 1);
    const { mtu } = this.#host.config;
    const helper = this.#makeHelper({
      path: dnsmasq,
      args: dnsmasqWords({ device, subnet, folder, mtu: mtu ?? null }),
      folder,
    });
    this.#way = { by: "tap", subnet, gateway, helper };
    helper.start();
    this.#tell(`device ${device}, dnsmasq${hostNat.madeForward ? ", ip_forward switched on" : ""}`);
  }

  /** The same for one that somebody removed, and that is there again. */
  #dressAgain(dnsmasq: string, folder: string): void {
    const way = present(this.#way, "a way");
    const device = this.#inner?.facts.device?.name ?? this.#device;
    try {
      this.#hostNat?.address(device, way.subnet);
      if (device === this.#device) {
        // It has a number of its own, which dnsmasq has not heard of.
        way.helper.restart();
        return;
      }
      way.helper.stop();
      this.#hostNat?.close();
      this.#dress(dnsmasq, folder);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      this.#host.failed("nat-helper", error.message);
      this.#host.log("warn", "nat-helper", error.message);
    }
  }

  #warnOfChains(hostNat: HostNat): void {
    for (const { name, hook } of hostNat.strictChains()) {
      const what = hook === "forward" ? "what guests send to others" : "guests' DHCP and DNS";
      const text = `chain ${name} drops what none of its rules accepts, ${what} too: let ` +
        `${this.#device} pass there`;
      this.#host.log("warn", "nat-firewall", text);
    }
  }

  #openByUser(): void {
    const { program, path } = needUserNat();
    const folder = this.#makeFolder();
    const socket = `${folder}/nat.sock`;
    const subnet = pickSubnet(this.#wanted, 0);
    const { name, mtu } = this.#host.config;
    const kind = program === "passt" ? "stream" as const : "seqpacket" as const;
    const config = { name, path: `${kind}:${socket}`, kind, mode: "connect" as const };
    const write = program === "passt" ? passtWords : slirpWords;
    const helper = this.#makeHelper({
      path,
      args: write({ subnet, socket, mtu: mtu ?? null }),
      folder,
      prepare: () => removeSocket(socket),
    });
    this.#way = { by: program, subnet, gateway: hostText(subnet, 2), helper };
    helper.start();
    const inner = new StreamUplink(
      this.#innerHost({ ...config, ...mtu === undefined ? {} : { mtu } }, (up) => {
        // It serves whoever comes first, and nobody after that.
        if (!up) helper.restart();
      }),
      this.#context,
      kind,
    );
    this.#inner = inner;
    inner.open();
    this.#tell(program);
    if (program === "passt") {
      const text = "passt serves one guest; for more of them: apt-get install slirp4netns";
      this.#host.log("warn", "nat-one-guest", text);
    }
  }

  #tell(by: string): void {
    const { subnet, gateway } = present(this.#way, "a way");
    const text = `guests have ${subnetText(subnet)} by DHCP, gateway ${gateway}, by ${by}`;
    this.#host.log("info", "nat", text);
  }

  #makeHelper(options: Omit<HelperOptions, "restarted">): Helper {
    return new Helper({
      ...options,
      restarted: (why) => {
        this.#host.failed("nat-helper", why);
        this.#host.log("warn", "nat-helper", `${why}; it is started again`);
      },
    });
  }

  suspend(): void {
    this.#inner?.suspend();
  }

  laneFailed(lane: number, code: number): void {
    this.#inner?.laneFailed(lane, code);
  }

  get facts(): UplinkFacts {
    const inner = present(this.#inner, "an uplink inside").facts;
    return { ...inner, nat: this.#natFacts(), problems: [...inner.problems, ...this.#problems()] };
  }

  #natFacts(): PortStatus["nat"] {
    const { by, subnet, gateway, helper } = present(this.#way, "a way");
    return {
      by,
      subnet: subnetText(subnet),
      gateway,
      helper: helper.name,
      helperPid: helper.pid,
      helperStarts: helper.starts,
    };
  }

  #problems(): PortProblem[] {
    const text = this.#way?.helper.problem ?? null;
    if (text === null) return [];
    return [{ code: "nat-helper", text, hint: "it is started again by itself" }];
  }

  close(): void {
    this.#closed = true;
    this.#inner?.close();
    this.#way?.helper.stop();
    this.#hostNat?.close();
    if (this.#folder !== null) removeRuntimeFolder(this.#folder);
    this.#folder = null;
  }
}

function removeSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Stream ports with the programs they are for: QEMU guests without shared memory, and passt and
 * slirp4netns, by which Linux guests reach a web server of this machine.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, type GuestChoice, pingAll, sendFile } from "../harness/guests.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const missing = missingQemuPackages();

/** What guests fetch with. */
const CURL = "/usr/bin/curl";

/** What a test needs besides QEMU. */
function missingWith(program: string): string[] {
  return [...missing, ...[program, "curl"].filter((name) => !hasProgram(name))];
}

/** A guest whose memory nobody else sees, with a stream for a NIC. */
function streamGuest(path: string, server: boolean): GuestChoice {
  const address = `addr.type=unix,addr.path=${path}`;
  const words = `stream,id=n0,server=${server ? "on" : "off"},${address}`;
  return { backEnd: ["-netdev", words], memoryWords: [] };
}

async function linkIs(bed: Bed, name: string, link: string): Promise<void> {
  await until(`${name} is ${link}`, async () => (await bed.process.port(name)).link === link);
}

peerTest("QEMU guests without shared memory talk by streams, in both modes", missing, async () => {
  using folder = new TempFolder();
  const [client, server] = [folder.file("client.sock"), folder.file("server.sock")];
  await using bed = await Bed.in(
    folder,
    1,
    ...["-p", `client=stream:${client}`, "-p", `server=stream:${server},mode=connect,uplink=off`],
  );
  const guests = await bed.linux([{}, streamGuest(client, false), streamGuest(server, true)]);
  const [one, two, three] = guests;
  assert(one && two && three);
  for (const name of ["client", "server"]) {
    await linkIs(bed, name, "up");
    assert.match((await bed.process.port(name)).peer?.command ?? "", /^qemu-system/);
  }
  await pingAll(one, addressOf(2), 200);
  await pingAll(two, addressOf(3), 100);
  await pingAll(three, addressOf(1), 20, 1400);
  const rates = [await sendFile(one, two, 8), await sendFile(two, three, 8)];
  console.log(`    TCP ${rates.map((rate) => (rate * 8.39).toFixed(0)).join(" and ")} Mbit/s`);
  const port = await bed.process.port("client");
  assert.deepEqual(port.errors, {});
  // A QEMU that ends takes its link with it, and nothing else.
  await two.stop();
  await linkIs(bed, "client", "wait");
  await pingAll(three, addressOf(1), 20);
});

/** A web server of this machine, and what it serves. */
class WebServer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly bytes = new Uint8Array(4 << 20);

  constructor() {
    for (let at = 0; at < this.bytes.length; at += 65536) {
      crypto.getRandomValues(this.bytes.subarray(at, at + 65536));
    }
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        if (request.method !== "POST") return new Response(this.bytes);
        return new Response(digest(new Uint8Array(await request.arrayBuffer())));
      },
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Has a guest fetch the server's bytes, and send some: both are compared. */
async function fetchAndPost(guest: QemuGuest, url: string, server: WebServer): Promise<void> {
  const fetched = await guest.run(`curl -sS -m 100 -o /tmp/got ${url}`);
  assert.equal(fetched.code, 0, fetched.output);
  const got = await guest.run("sha256sum < /tmp/got");
  assert.equal(got.output.split(" ")[0], digest(server.bytes), "what was fetched");
  await guest.run("dd if=/dev/urandom of=/tmp/post bs=1k count=2048 2>/dev/null");
  const posted = await guest.run(`curl -sS -m 100 --data-binary @/tmp/post ${url}`);
  const sent = await guest.run("sha256sum < /tmp/post");
  assert.equal(posted.output, sent.output.split(" ")[0], "what was sent");
}

/** A folder that any user may make sockets in: passt gives root up. */
function openFolder(folder: TempFolder): string {
  const path = folder.file("open");
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o777);
  Deno.chmodSync(folder.path, 0o755);
  return path;
}

/** Runs a program until its scope ends. */
function program(name: string, ...args: readonly string[]): AsyncDisposable {
  const process = new Deno.Command(name, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        process.kill();
      } catch {
        // It has ended.
      }
      await process.status;
    },
  };
}

const DHCP = [
  "echo '#!/bin/sh' > /tmp/dhcp",
  "echo '[ -n \"$ip\" ] || exit 0' >> /tmp/dhcp",
  "echo 'ip addr flush dev eth0; ip addr add $ip/$mask dev eth0' >> /tmp/dhcp",
  "echo 'ip route add default via $router' >> /tmp/dhcp",
  "chmod +x /tmp/dhcp",
  "udhcpc -i eth0 -q -n -t 20 -T 2 -s /tmp/dhcp",
].join("; ");

peerTest(
  "a guest reaches this machine through passt, which comes back",
  missingWith("passt"),
  async () => {
    using folder = new TempFolder();
    const path = `${openFolder(folder)}/passt.sock`;
    await using server = new WebServer();
    await using bed = await Bed.in(
      folder,
      1,
      ...["-p", `net=stream:${path},mode=connect`, "--link", "vm1:net"],
    );
    const [guest] = await bed.linux([{}], [CURL]) as [QemuGuest];
    assert(guest);
    for (let round = 0; round < 2; round++) {
      await using _ = program("passt", "-f", "-4", "-s", path);
      await linkIs(bed, "net", "up");
      assert.match((await bed.process.port("net")).peer?.command ?? "", /^passt/);
      const leased = await guest.run(DHCP);
      assert.equal(leased.code, 0, leased.output);
      const route = await guest.run("ip route show default");
      const gateway = /via (\S+)/.exec(route.output)?.[1];
      assert(gateway, route.output);
      await fetchAndPost(guest, `http://${gateway}:${server.port}/`, server);
    }
    await linkIs(bed, "net", "wait");
  },
);

peerTest(
  "two guests reach this machine through slirp4netns",
  missingWith("slirp4netns"),
  async () => {
    using folder = new TempFolder();
    const path = folder.file("slirp.sock");
    await using server = new WebServer();
    await using _ = program("slirp4netns", "--target-type=bess", path);
    await using bed = await Bed.in(folder, 2, "-p", `net=seqpacket:${path},mode=connect`);
    const guests = await bed.linux([{}, {}], [CURL]);
    for (const [i, guest] of guests.entries()) {
      await guest.run(`ip addr flush dev eth0; ip addr add 10.0.2.${15 + i}/24 dev eth0`);
    }
    await linkIs(bed, "net", "up");
    assert.equal((await bed.process.port("net")).peer?.uid, Deno.uid());
    const [one] = guests;
    assert(one);
    await Promise.all(
      guests.map((guest) => fetchAndPost(guest, `http://10.0.2.2:${server.port}/`, server)),
    );
    await pingAll(one, "10.0.2.16", 50);
  },
);

/** Ports with a process at a socket: frames both ways, in both modes, and peers that misbehave. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import type { PortStatus } from "../../lib/control/types.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { StreamListener, StreamPeer } from "../harness/stream_peer.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, isNumbered, macOf, numberedFrame, transfer } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const PEER = macOf(0x77);

/** What the switch says of port `net`. */
async function net(bed: Bed): Promise<PortStatus> {
  return await bed.process.port("net");
}

async function linkIs(bed: Bed, link: PortStatus["link"]): Promise<void> {
  await until(`the link is ${link}`, async () => (await net(bed)).link === link);
}

/** Frames of these sizes both ways between a guest and a peer, each compared. */
async function exchange(
  guest: NetGuest,
  peer: StreamPeer,
  sizes: readonly number[],
): Promise<void> {
  const { mac } = guest.options;
  const hello = numberedFrame(BROADCAST, PEER, 0, 60);
  await peer.send(hello);
  assert.deepEqual(await guest.waitFor(isNumbered, 60_000), hello);
  for (const [number, bytes] of sizes.entries()) {
    const out = numberedFrame(PEER, mac, number, bytes);
    await until("there is room", () => guest.send(out));
    assert.deepEqual(await peer.waitFor(`frame ${number} out`, isNumbered), out);
    const back = numberedFrame(mac, PEER, number, bytes);
    await peer.send(back);
    assert.deepEqual(await guest.waitFor(isNumbered, 60_000), back, `frame ${number} in`);
  }
}

const SIZES = [18, 30, 31, 60, 64, 200, 1514, 9014, 65_000];

for (const type of ["stream", "seqpacket"] as const) {
  Deno.test(`frames pass between guests and a peer at a ${type} port, in mode listen`, async () => {
    using folder = new TempFolder();
    const path = folder.file("net.sock");
    await using bed = await Bed.in(folder, 1, "-p", `net=${type}:${path}`);
    assert.equal((await net(bed)).link, "wait");
    const guest = await bed.guest(1);
    using peer = StreamPeer.connect(path, type);
    await linkIs(bed, "up");
    await exchange(guest, peer, SIZES);
    const port = await net(bed);
    assert.equal(port.kind, type);
    assert.equal(port.mode, "listen");
    assert.equal(port.socket, `${type}:${path}`);
    assert.equal(port.peer?.pid, Deno.pid);
    assert.equal(port.peer?.uid, Deno.uid());
    assert.equal(port.connects, 1);
    assert.equal(port.counters.rxFrames, SIZES.length + 1);
    assert.equal(port.counters.txFrames, SIZES.length);
    const { stdout } = await vuswitch("port", "show", "net", "--ctl", bed.process.ctl);
    assert.match(stdout, new RegExp(`pid ${Deno.pid}`));
    // What was learned there is forgotten with the link.
    assert((await bed.process.fdb()).some(({ mac }) => mac === PEER));
    peer.close();
    await linkIs(bed, "wait");
    assert(!(await bed.process.fdb()).some(({ mac }) => mac === PEER));
    using next = StreamPeer.connect(path, type);
    await exchange(guest, next, [60, 1514]);
    assert.equal((await net(bed)).connects, 2);
  });

  Deno.test(`a ${type} port in mode connect finds its peer, and finds it again`, async () => {
    using folder = new TempFolder();
    const path = folder.file("net.sock");
    await using bed = await Bed.in(folder, 1, "-p", `net=${type}:${path},mode=connect`);
    const guest = await bed.guest(1);
    assert.match((await net(bed)).retry?.reason ?? "", /no such socket/);
    for (let round = 0; round < 2; round++) {
      using listener = new StreamListener(path, type);
      using peer = await listener.accept();
      await exchange(guest, peer, [60, 1514]);
      assert.equal((await net(bed)).retry, null);
    }
    await linkIs(bed, "wait");
    assert.match((await net(bed)).retry?.reason ?? "", /went away|no such socket/);
  });
}

Deno.test("a second peer of a stream port waits for the first one's end, who is not disturbed", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  await using bed = await Bed.in(folder, 1, "-p", `net=stream:${path}`);
  const guest = await bed.guest(1);
  using first = StreamPeer.connect(path);
  await exchange(guest, first, [60]);
  using second = StreamPeer.connect(path);
  await exchange(guest, first, [61]);
  first.close();
  // It is held a second; then it is turned away, as a front-end would be.
  await until("the second one is served, or was turned away", async () => {
    second.receive();
    return second.ended || (await net(bed)).connects === 2;
  });
  second.close();
  using third = StreamPeer.connect(path);
  await exchange(guest, third, [62]);
});

Deno.test("nonsense costs the peer its connection, with a reason, and nobody else a frame", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  await using bed = await Bed.in(folder, 2, "-p", `net=stream:${path}`);
  const [one, two] = [await bed.guest(1), await bed.guest(2)];
  await introduce(one, two);
  const length = (value: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  const bad = [0, 13, 65_554, 2 ** 31];
  for (const value of bad) {
    using peer = StreamPeer.connect(path);
    assert(await peer.write(length(value)));
    await peer.waitForEnd();
    await transfer(one, two, [60, 1514], 2);
  }
  using cut = StreamPeer.connect(path);
  await linkIs(bed, "up");
  assert(await cut.write(new Uint8Array([0, 0, 0, 60, 1, 2])));
  cut.close();
  await until("both are counted", async () => {
    const { errors } = await net(bed);
    return errors["bad-size"] === bad.length && errors["peer-closed"] === 1;
  });
  const port = await net(bed);
  assert.match(port.lastError?.detail ?? "", /inside of a frame/);
  assert.match(bed.process.log, /net.*closed.*fewer than 14 or more than 65553/);
  // The port is as good as new.
  using peer = StreamPeer.connect(path);
  await exchange(one, peer, [60, 1514]);
});

Deno.test("a peer that does not read loses frames, which are counted, and holds up nobody", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  await using bed = await Bed.in(folder, 2, "-p", `net=stream:${path}`);
  const [one, two] = [await bed.guest(1), await bed.guest(2)];
  await introduce(one, two);
  using peer = StreamPeer.connect(path);
  await exchange(one, peer, [60]);
  assert(await two.waitFor(isNumbered, 60_000), "the peer's broadcast, which is not of the test");
  const mac = one.options.mac;
  await until("it is full", async () => {
    for (let i = 0; i < 200; i++) one.send(numberedFrame(PEER, mac, i, 9000));
    one.reapTransmit();
    return ((await net(bed)).counters.txDroppedUplinkFull ?? 0) > 0;
  });
  await until(
    "the transmit ring is empty",
    () => one.reapTransmit() >= 0 && one.tx.free === one.tx.size,
  );
  await transfer(one, two, [60, 1514, 9000], 2);
  const before = await net(bed);
  await until("it reads all that was sent", () => {
    for (const frame of peer.receive()) {
      const number = new DataView(frame.buffer, frame.byteOffset).getUint32(14);
      assert.deepEqual(frame, numberedFrame(PEER, mac, number, 9000), "whole");
    }
    return peer.frames >= (before.counters.txFrames ?? 0);
  });
});

Deno.test("a stream port's mtu is kept both ways, and a port that is down has nobody", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  await using bed = await Bed.in(folder, 1, "-p", `net=stream:${path},mtu=1400`);
  const guest = await bed.guest(1);
  using peer = StreamPeer.connect(path);
  await exchange(guest, peer, [60, 1422]);
  await peer.send(numberedFrame(guest.options.mac, PEER, 1, 1423));
  assert(guest.send(numberedFrame(PEER, guest.options.mac, 1, 1423)));
  await until("both are dropped", async () => {
    const { counters } = await net(bed);
    return counters.rxDroppedOversize === 1 && counters.txDroppedOversize === 1;
  });
  assert.equal((await net(bed)).mtu, 1400);
  const { ctl } = bed.process;
  assert.equal((await vuswitch("port", "down", "net", "--ctl", ctl)).code, 0);
  await peer.waitForEnd();
  assert.throws(() => StreamPeer.connect(path), /ENOENT|ECONNREFUSED/);
  assert.equal((await vuswitch("port", "up", "net", "--ctl", ctl)).code, 0);
  using again = StreamPeer.connect(path);
  await exchange(guest, again, [60]);
});

Deno.test("stream ports are refused with a line that says why", async () => {
  using folder = new TempFolder();
  await using bed = await Bed.in(folder, 1);
  const { ctl } = bed.process;
  const path = folder.file("x.sock");
  const cases: readonly (readonly [spec: string, why: RegExp])[] = [
    ["net=stream:", /stream: must name a socket/],
    [`net=stream:${path},queues=2`, /queues means nothing for a port of kind stream/],
    [`net=stream:${path},mode=open`, /must be listen/],
    [`net=seqpakcet:${path}`, /did you mean seqpacket|seqpacket/],
    [`net=stream:${ctl}`, /control socket|running server/],
    [`net=stream:${bed.socket(1)}`, /running server|has the socket|share/],
    [`net=stream:${"/x".repeat(60)}`, /at most 107 bytes/],
    [`net=stream:${folder.path}/none/x.sock`, /mkdir -p/],
  ];
  for (const [spec, why] of cases) {
    const { code, stderr } = await vuswitch("port", "add", spec, "--ctl", ctl);
    assert.notEqual(code, 0, spec);
    assert.match(stderr, why, spec);
    assert.equal(stderr.trim().split("\n").length <= 2, true, stderr);
  }
  assert.equal((await bed.status()).ports.length, 1);
});

Deno.test("a stream port's socket has the mode of the others and is gone with the switch", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  {
    await using bed = await Bed.in(folder, 1, "--socket-mode", "660", "-p", `net=stream:${path}`);
    const mode = (file: string): number => (Deno.lstatSync(file).mode ?? 0) & 0o777;
    assert.equal(mode(path), mode(bed.socket(1)));
    assert.equal(mode(path), 0o660);
    await bed.kill();
    assert(Deno.lstatSync(path).isSocket, "stale");
    await bed.start();
    using peer = StreamPeer.connect(path);
    await exchange(await bed.guest(1), peer, [60]);
    // Somebody removes the file: it is made again.
    Deno.removeSync(path);
    await until("it is there again", () => {
      try {
        return Deno.lstatSync(path).isSocket === true;
      } catch {
        return false;
      }
    });
  }
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
});

Deno.test("the thread sleeps with a silent peer, and with one that stopped reading inside of a frame", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  await using bed = await Bed.in(folder, 1, "-p", `net=stream:${path}`);
  const guest = await bed.guest(1);
  using peer = StreamPeer.connect(path);
  await exchange(guest, peer, [60]);
  /** Times the thread slept and was woken in two seconds in which nothing happens. */
  const quiet = async (): Promise<[sleeps: number, wakeups: number]> => {
    const worker = async (): Promise<number[]> => {
      const { sleeps = NaN, wakeups = NaN } = (await bed.status()).worker;
      return [sleeps, wakeups];
    };
    let before: number[] = [];
    await until("the thread sleeps", async () => {
      const last = before;
      before = await worker();
      await delay(50);
      return last[0] === before[0];
    });
    await delay(2000);
    const after = await worker();
    return [(after[0] ?? NaN) - (before[0] ?? NaN), (after[1] ?? NaN) - (before[1] ?? NaN)];
  };
  for (const full of [false, true]) {
    if (full) {
      await until("it is full", async () => {
        for (let i = 0; i < 100; i++) guest.send(numberedFrame(PEER, guest.options.mac, i, 9000));
        guest.reapTransmit();
        return ((await net(bed)).counters.txDroppedUplinkFull ?? 0) > 0;
      });
      await until(
        "nothing waits",
        () => guest.reapTransmit() >= 0 && guest.tx.free === guest.tx.size,
      );
    }
    const [sleeps, wakeups] = await quiet();
    assert(sleeps >= 1 && sleeps < 100, `${sleeps} sleeps`);
    assert(wakeups < 100, `${wakeups} wake-ups`);
  }
  // It is woken by whoever makes room, and the rest of the frame goes.
  const { txFrames = NaN } = (await net(bed)).counters;
  await until("all that was sent has come", () => {
    peer.receive();
    return peer.frames >= txFrames;
  });
});

Deno.test("whoever the switch connects to is an uplink, if nothing else is said", async () => {
  using folder = new TempFolder();
  const [one, two] = [folder.file("one.sock"), folder.file("two.sock")];
  using first = new StreamListener(one);
  using second = new StreamListener(two);
  const talk = async (option: string): Promise<number> => {
    const ports = [`one=stream:${one},mode=connect`, `two=stream:${two},mode=connect${option}`];
    await using bed = await Bed.in(folder, 1, ...ports.flatMap((port) => ["-p", port]));
    const guest = await bed.guest(1);
    assert.equal((await bed.process.port("vm1")).uplink, false);
    assert.equal((await bed.process.port("one")).uplink, true);
    assert.equal((await bed.process.port("two")).uplink, option === "");
    using a = await first.accept();
    using b = await second.accept();
    // A broadcast gets to the guest, and its own, sent after that, to both.
    await a.send(numberedFrame(BROADCAST, PEER, 1, 60));
    assert(await guest.waitFor(isNumbered, 60_000));
    const last = numberedFrame(BROADCAST, guest.options.mac, 2, 60);
    assert(guest.send(last));
    const number = (frame: Uint8Array): number => frame[17] ?? 0;
    let got = 0;
    await b.waitFor("the guest's broadcast", (frame) => {
      if (isNumbered(frame)) got++;
      return isNumbered(frame) && number(frame) === 2;
    });
    return got;
  };
  assert.equal(await talk(""), 1, "nothing passes from one uplink to another");
  assert.equal(await talk(",uplink=off"), 2);
});

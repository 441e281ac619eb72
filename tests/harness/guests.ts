/**
 * Linux guests in pairs and more, attached to one switch, and the proofs they are good for.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { buildGuestImage, type GuestImage } from "../../lib/demo/guest_image.ts";
import { type GuestOptions, QemuGuest } from "../../lib/demo/qemu.ts";
import { hasProgram } from "./peers.ts";

/** A guest's address without prefix. */
export function addressOf(number: number): string {
  return `10.77.0.${number}`;
}

/** What may differ from guest to guest. */
export type GuestChoice = Omit<
  Partial<GuestOptions>,
  "name" | "mac" | "image" | "folder"
>;

/**
 * Starts guests vm1 … vmN on the sockets of the same names in `folder`, and waits for them.
 * @param programs paths of this machine's programs that the guests shall have
 */
export async function startGuests(
  folder: string,
  choices: readonly GuestChoice[],
  programs: readonly string[] = [],
): Promise<QemuGuest[]> {
  const image: GuestImage = buildGuestImage(folder, programs);
  const guests = choices.map((choice, index) => {
    const number = index + 1;
    return QemuGuest.start({
      name: `vm${number}`,
      address: `${addressOf(number)}/24`,
      mac: `52:54:00:00:00:0${number}`,
      socket: `${folder}/vm${number}.sock`,
      image,
      folder,
      ...choice,
    });
  });
  try {
    await Promise.all(guests.map((guest) => guest.ready()));
  } catch (error) {
    await stopGuests(guests);
    throw error;
  }
  return guests;
}

/** Ends guests. */
export async function stopGuests(guests: readonly QemuGuest[]): Promise<void> {
  await Promise.all(guests.map((guest) => guest.stop()));
}

/** Pings as fast as answers come and requires every one. @param bytes payload, ICMP header not in */
export async function pingAll(
  from: QemuGuest,
  to: string,
  count: number,
  bytes = 56,
): Promise<string> {
  const { output } = await from.run(
    `ping -A -c ${count} -s ${bytes} ${to} > /tmp/all; tail -n 3 /tmp/all`,
  );
  if (!output.includes(`${count} packets transmitted, ${count} packets received`)) {
    // An answer that takes longer than a second is late and not lost: one more was sent meanwhile.
    const answers = await from.run("grep -o 'seq=[0-9]*' /tmp/all | sort -u | wc -l");
    const last = await from.run(
      "grep -o 'seq=[0-9]*' /tmp/all | cut -d = -f 2 | sort -n | tail -n 1",
    );
    assert.equal(Number(answers.output), count, output);
    assert.equal(Number(last.output), count - 1, output);
  }
  return /min\/avg\/max = ([\d./]+)/.exec(output)?.[1] ?? "";
}

/** Sends a file of random bytes by TCP and compares its checksum on both sides. */
export async function sendFile(from: QemuGuest, to: QemuGuest, mib: number): Promise<number> {
  const address = to.options.address.split("/")[0];
  // busybox's nc ends with its standard input: a pipe that stays open keeps it.
  await to.run("(sleep 600 | nc -l -p 5001 | sha256sum > /tmp/sum) > /dev/null 2>&1 &");
  await to.run("while ! netstat -ltn | grep -q :5001; do sleep 0.1; done");
  await from.run(`dd if=/dev/urandom of=/tmp/sent bs=1M count=${mib} 2>/dev/null`);
  const start = performance.now();
  const { code } = await from.run(`nc -w 60 ${address} 5001 < /tmp/sent`);
  const seconds = (performance.now() - start) / 1000;
  assert.equal(code, 0, "nc ends well");
  const sent = await from.run("sha256sum < /tmp/sent; rm /tmp/sent");
  const got = await to.run("while pidof nc > /dev/null; do sleep 0.1; done; cat /tmp/sum");
  assert.equal(got.output, sent.output, "both sides have the same bytes");
  return mib / seconds;
}

/** QEMU 10 beside the system's QEMU, or null where it cannot be had. */
export async function qemu10(): Promise<GuestOptions["qemu"] | null> {
  if (!hasProgram("dpkg")) return null;
  const script = new URL("./qemu10.sh", import.meta.url).pathname;
  const { code, stdout } = await new Deno.Command("bash", { args: [script] }).output();
  if (code !== 0) return null;
  const root = new TextDecoder().decode(stdout).trim();
  return {
    binary: `${root}/usr/bin/qemu-system-x86_64`,
    words: ["-L", `${root}/usr/share/qemu`, "-L", `${root}/usr/share/seabios`],
  };
}

/** Pings in the background until the returned function is called, which tells how they fared. */
export async function pingMeanwhile(
  from: QemuGuest,
  to: string,
): Promise<() => Promise<{ readonly sent: number; readonly back: number }>> {
  const loop = `while [ ! -f /tmp/enough ]; do ping -q -A -c 20 -W 2 ${to}; done`;
  await from.run(`rm -f /tmp/enough; (${loop}; touch /tmp/done) > /tmp/pings 2>&1 &`);
  return async () => {
    await from.run("touch /tmp/enough; while [ ! -f /tmp/done ]; do sleep 0.1; done");
    const { output } = await from.run("cat /tmp/pings; rm /tmp/pings /tmp/done");
    const total = (what: string): number =>
      [...output.matchAll(new RegExp(`(\\d+) packets ${what}`, "g"))]
        .reduce((sum, match) => sum + Number(match[1]), 0);
    return { sent: total("transmitted"), back: total("received") };
  };
}

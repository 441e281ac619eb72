/**
 * News of a flap that are still to be read when one of its ports goes. With the real data plane:
 * this thread is the control thread, and reads no news before it waits.
 */
import { strict as assert } from "node:assert";
import { Switch } from "../../../lib/control/switch.ts";
import { ethernet } from "../../../lib/guest/frames.ts";
import { NetGuest } from "../../../lib/guest/net_guest.ts";
import { until, WAIT_MS_MAX } from "../../harness/until.ts";
import { keptLog } from "./support.ts";

const SHARED = "52:54:00:00:ff:01";

/** Both guests speak in turn until their address flaps, without letting anything else run. */
function flap(running: Switch, guests: readonly NetGuest[]): void {
  const frame = ethernet("52:54:00:00:ff:02", SHARED, 0x88b6, new Uint8Array(46));
  const end = performance.now() + WAIT_MS_MAX;
  for (let i = 0; running.status().fdb.flaps === 0; i++) {
    const guest = guests[i % 2] as NetGuest;
    guest.send(frame);
    while (guest.tx.free < guest.tx.size) {
      assert(performance.now() < end, "the switch takes the frame");
      guest.reapTransmit();
    }
  }
}

/** @param meanwhile is done before the news are read @returns lines about flaps, and problems */
async function afterwards(
  meanwhile: (running: Switch, folder: string) => void,
): Promise<string[]> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-flaps-" });
  const { logger, lines } = keptLog();
  const names = ["a", "b"];
  const running = await Switch.start({
    ports: [...names, "c"].map((name) => ({ name, path: `${folder}/${name}` })),
    ...{ links: [], controlPath: null, socketMode: 0o600, socketGroup: null, cpus: [] },
    ...{ idle: "sleep", fdbAgeSeconds: 300, fdbEntriesMax: 1024, fdbPortEntriesMax: 64 },
  }, logger);
  const guests = await Promise.all(
    names.map((name) => NetGuest.start({ socket: `${folder}/${name}`, mac: SHARED })),
  );
  try {
    flap(running, guests);
    meanwhile(running, folder);
    const told = (): string[] => lines.filter((line) => line.startsWith("mac-flap"));
    // Behind this no news of before are left: the reactor has heard the guest that comes.
    using _guest = await NetGuest.start({ socket: `${folder}/c`, mac: "52:54:00:00:ff:03" });
    await until("c to be up", () => running.port("c").link === "up");
    const problems = running.ports().flatMap(({ name, problems }) =>
      problems.map(({ code }) => `${name} ${code}`)
    );
    return [...told(), ...problems];
  } finally {
    for (const guest of guests) guest.close();
    await running.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a flap is told once its news are read", async () => {
  const [line, ...problems] = await afterwards(() => {});
  assert(line?.includes("52:54:00:00:ff:01 moves between "), line);
  assert.deepEqual(problems, ["a mac-flap", "b mac-flap"]);
});

Deno.test("a flap whose port is gone is nobody's, whoever has its number now", async () => {
  for (const gone of ["a", "b"]) {
    const told = await afterwards((running, folder) => {
      running.removePort(gone);
      running.addPort({ name: "new", path: `${folder}/new` });
    });
    assert.deepEqual(told, []);
  }
});

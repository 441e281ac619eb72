/** Lanes that are stopped when their descriptor is of no use any more. */
import { strict as assert } from "node:assert";
import {
  addressOf,
  closeFd,
  EBADF,
  EIO,
  ENOENT,
  socketPair,
  SystemError,
} from "../../../../ffi/mod.ts";
import { VRINGS_PER_PORT } from "../../../../lib/base/limits.ts";
import { LanePort } from "../../../../lib/switch/ports/lane_port.ts";
import { useHostAddress } from "../../../../lib/virtio/memory/window.ts";
import { Commands } from "../../../../lib/worker/commands/mod.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { failedWith } from "../../../harness/fds.ts";

useHostAddress(addressOf);

const LANES = ["tap", "stream"] as const;

/** A port with a lane of each kind, on a thread that watches nothing. */
function serve(code: number, run: (commands: Commands, port: LanePort) => void): void {
  const path = makeDatapath([], { portsMax: 1, vringsPerPort: VRINGS_PER_PORT });
  const commands = new Commands(path, {
    ...{ watchKick: () => {}, watchRoom: () => {}, portAdded: () => {}, stop: () => {} },
    forgetKick: (fd) => {
      throw new SystemError("epoll_ctl", code, `fd ${fd}`);
    },
  });
  commands.run("addPort", { kind: "lanes" });
  const [port] = path.ports;
  assert(port instanceof LanePort);
  const pairs = LANES.map((kind, lane) => {
    const [fd, peer] = socketPair();
    commands.run("startLane", { port: 0, lane, kind, fd, offloads: 0 });
    return [fd, peer];
  });
  run(commands, port);
  pairs.flat().forEach(closeFd);
}

Deno.test("a lane whose descriptor nobody watches is stopped, alone and with its port", () => {
  for (const code of [ENOENT, EBADF]) {
    serve(code, (commands, port) => {
      assert.deepEqual(commands.run("stopLane", { port: 0, lane: 1 }), []);
      assert.equal(port.receivers.length, 1);
      commands.run("removePort", { port: 0 });
      assert.equal(commands.run("addPort", { kind: "lanes" }), 0, "its number is free");
    });
  }
});

Deno.test("a lane is out of service also where stopping it fails", () => {
  serve(EIO, (commands, port) => {
    const stop = () => commands.run("stopLane", { port: 0, lane: 0 });
    assert.throws(stop, failedWith(EIO));
    assert.deepEqual(port.lanes.map((lane) => lane?.number).filter((n) => n !== undefined), [1]);
    assert.equal(port.receivers.length, 1);
  });
});

/**
 * Commands on captures and mirrors.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import { type Capture, PortTap } from "../../switch/capture/capture.ts";
import { NO_TARGET } from "../../switch/capture/mirror.ts";
import type { Datapath } from "../../switch/datapath.ts";
import { CaptureRing } from "../../switch/capture/ring.ts";
import type { Given, Handlers } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about captures and mirrors. */
export function captureCommands(
  place: Place,
): Pick<Handlers, "startCapture" | "capturePort" | "stopCapture" | "setMirror"> {
  const captures = new Map<number, Capture>();
  const captureOf = (number: number): Capture => present(captures.get(number), `capture ${number}`);
  return {
    startCapture: ({ capture, mapping, address, sizeBytes, snap, drops, filter }) => {
      const { buffer, offset } = place.areaOf(place.mapping(mapping), address, sizeBytes);
      const ring = new CaptureRing(buffer, offset, sizeBytes);
      captures.set(capture, { ring, snap, drops, filter: Int32Array.from(filter) });
    },
    capturePort: ({ capture, port, as }) => {
      const watched = place.port(port);
      watched.tap ??= new PortTap();
      watched.tap.add(captureOf(capture), as);
    },
    stopCapture: ({ capture }) => {
      for (const port of place.path.ports) {
        if (!port?.tap) continue;
        port.tap.remove(captureOf(capture));
        if (port.tap.isEmpty) port.tap = null;
      }
      captures.delete(capture);
    },
    setMirror: (given) => setMirror(place.path, given),
  };
}

function setMirror({ ports, mirrorTargets, fdb }: Datapath, given: Given<"setMirror">): void {
  const bit = 1 << given.mirror;
  for (const port of ports) {
    if (port === null) continue;
    const [isIn, isOut] = [given.in.includes(port.index), given.out.includes(port.index)];
    if (isIn || isOut) port.tap ??= new PortTap();
    if (port.tap === null) continue;
    port.tap.mirrorsIn = isIn ? port.tap.mirrorsIn | bit : port.tap.mirrorsIn & ~bit;
    port.tap.mirrorsOut = isOut ? port.tap.mirrorsOut | bit : port.tap.mirrorsOut & ~bit;
    if (port.tap.isEmpty) port.tap = null;
  }
  const isOn = given.in.length + given.out.length > 0;
  mirrorTargets[given.mirror] = isOn ? given.to : NO_TARGET;
  fdb.flushPort(given.to);
}

/**
 * Commands on captures.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import { type Capture, PortTap } from "../../switch/capture/capture.ts";
import { CaptureRing } from "../../switch/capture/ring.ts";
import type { Handlers } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about captures. */
export function captureCommands(
  place: Place,
): Pick<Handlers, "startCapture" | "capturePort" | "stopCapture"> {
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
  };
}

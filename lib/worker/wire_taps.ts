/**
 * The commands on who watches ports: rows of the table in wire.ts.
 *
 * @module
 */
import { MIRRORS_MAX, PORTS_MAX } from "../base/limits.ts";
import { FILTER_NUMBERS_MAX } from "../switch/capture/filter.ts";
import { CAPTURES_MAX, RING_BYTES_MAX, RING_BYTES_MIN } from "../switch/capture/ring.ts";
import { FRAME_BYTES_MAX } from "../virtio/burst.ts";
import { command, flag, list, whole } from "./fields.ts";
import { ADDRESS, MAPPING, PORT, WORD } from "./parcels.ts";

const captureCommand = { capture: whole(0, CAPTURES_MAX - 1) };

/** The rows by name. */
export const TAP_COMMANDS = {
  /**
   * Begins a capture, of no port at first: frames go into a ring (lib/switch/capture/ring.ts) in a
   * mapping, all zeros. `snap`: bytes of each frame at most. `drops`: those that are dropped as well. `filter`:
   * a program (lib/switch/capture/filter.ts).
   */
  startCapture: command({
    ...captureCommand,
    ...{ mapping: MAPPING, address: ADDRESS, sizeBytes: whole(RING_BYTES_MIN, RING_BYTES_MAX) },
    ...{ snap: whole(1, FRAME_BYTES_MAX), drops: flag },
    filter: list(WORD, FILTER_NUMBERS_MAX),
  }),
  /** A capture takes the frames of a port as well. `as`: the port's number in its records. */
  capturePort: command({ ...captureCommand, port: PORT, as: whole(0, PORTS_MAX - 1) }),
  /**
   * Frames from some ports and to some go to port `to` as well, which gets nothing else; none: the
   * mirror ends. Forgets the dynamic MAC addresses of that port.
   */
  setMirror: command({
    ...{ mirror: whole(0, MIRRORS_MAX - 1), to: PORT },
    ...{ in: list(PORT, PORTS_MAX), out: list(PORT, PORTS_MAX) },
  }),
  /** Ends a capture: its ring is not written any more. */
  stopCapture: command(captureCommand),
} as const;

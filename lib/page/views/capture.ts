/**
 * The page of captures: a form, and the file that it asks for. A capture always has an end here: after
 * so many frames or seconds, whichever comes first.
 *
 * @module
 */
import { readWanted } from "../../control/capture/wanted.ts";
import { PCAPNG } from "../../control/api/stream.ts";
import { ControlError } from "../../control/types.ts";
import { type Html, markup } from "../html.ts";
import { type Contents, link, type Seen } from "../layout.ts";

/** Frames of one capture at most, as the page asks for it. */
export const FRAMES_MAX = 100_000;
/** Seconds of one at most. */
export const SECONDS_MAX = 60;
/** Captures of the page at once: others have places, too. */
export const CAPTURES_MAX = 2;
/** What was captured is taken within this after its end, ms. */
const TAKEN_MS_MAX = 30_000;

/** A form that downloads. @param port stands in it to begin with; "": none */
export function captureForm(seen: Seen, port: string): Html {
  const names = seen.control.ports().map(({ name }) => markup`<option value="${name}">`);
  return markup`<form class="capture" method="get" action="${link(seen, "capture.pcapng")}">
<p><label>Port <input name="port" required list="port-names" value="${port}" autocomplete="off"></label><datalist id="port-names">${names}</datalist>
<label>Frames at most <input name="count" type="number" min="1" max="${FRAMES_MAX}" value="1000" required></label>
<label>Seconds at most <input name="seconds" type="number" min="1" max="${SECONDS_MAX}" value="10" required></label></p>
<p><label class="long">Filter <input name="filter" placeholder="arp or (tcp and port 443)" autocomplete="off" spellcheck="false"></label>
<label>Bytes of each frame <input name="snap" type="number" min="0" max="65535" value="0" aria-describedby="snap-help"></label>
<label class="check"><input name="drops" type="checkbox" value="1"> Dropped frames as well</label></p>
<p><button>Capture and download</button> <small id="snap-help">0 bytes: whole frames.</small></p></form>`;
}

/** The page. */
export function capturePage(seen: Seen): Contents {
  return {
    title: "Capture",
    page: "capture",
    main:
      markup`<p>Frames of a port as a file for Wireshark, with directions, virtio-net headers and reasons for drops in comments. The download ends after so many frames or seconds. It slows nobody: what is not read in time is lost, and counted.</p>
${captureForm(seen, seen.query.get("port") ?? "")}
<p>Live, and without an end: <code>vuswitch capture vm1 -w - | wireshark -k -i -</code></p>`,
  };
}

function readNumber(query: URLSearchParams, name: string, most: number): number {
  const text = query.get(name) ?? "";
  const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= most) return number;
  throw new ControlError("invalid", `${name} must be a number from 1 to ${most}`);
}

/**
 * A stream that is taken in time or ends: whoever reads no more must not keep a capture's memory.
 * @param ended called once, when there is nothing more of it
 */
function bounded(
  stream: ReadableStream<Uint8Array>,
  msMax: number,
  ended: () => void,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const end = (): void => {
    clearTimeout(timer);
    ended();
  };
  const timer = setTimeout(() => {
    ended();
    void reader.cancel().catch(() => {});
  }, msMax);
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { value, done } = await reader.read();
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    cancel: async (reason) => {
      end();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** A file's name that no port's can break: names have no other characters, and nobody relies on it. */
function fileName(port: string): string {
  return `vuswitch-${port.replaceAll(/[^A-Za-z0-9._-]/g, "_").slice(0, 64)}.pcapng`;
}

let running = 0;

/** The file. @throws {ControlError} what was asked for is wrong, or too many captures run */
export function captureFile({ control, query }: Seen, request: Request): Response {
  const seconds = readNumber(query, "seconds", SECONDS_MAX);
  readNumber(query, "count", FRAMES_MAX);
  const asked = new URLSearchParams(query);
  asked.delete("seconds");
  const wanted = readWanted(asked);
  const [port = ""] = wanted.ports;
  if (running >= CAPTURES_MAX) {
    throw new ControlError(
      "conflict",
      `${CAPTURES_MAX} captures of this page run already`,
      "wait until one has ended, or use vuswitch capture",
    );
  }
  const headers = {
    "content-type": PCAPNG,
    "content-disposition": `attachment; filename="${fileName(port)}"`,
  };
  if (request.method === "HEAD") return new Response(null, { headers });
  const enough = AbortSignal.any([request.signal, AbortSignal.timeout(1000 * seconds)]);
  const stream = control.capture(wanted, enough);
  running++;
  let counted = true;
  const ended = (): void => {
    if (counted) running--;
    counted = false;
  };
  return new Response(bounded(stream, 1000 * seconds + TAKEN_MS_MAX, ended), { headers });
}

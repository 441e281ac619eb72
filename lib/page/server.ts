/**
 * The web page of a switch at a TCP port of this host's loopback (`run --page`): it reads and captures,
 * and changes nothing. Like metrics it has connections of its own: whoever takes all of them leaves
 * those of the control socket alone. No answer but a capture goes on: a browser asks again, so that one
 * that is slow costs nothing.
 *
 * @module
 */
import type { EventStore } from "../control/events/store.ts";
import { HttpServer } from "../control/api/http.ts";
import { listenLoopback } from "../control/api/loopback.ts";
import type { SwitchControl } from "../control/api/table.ts";
import type { Logger } from "../control/log.ts";
import type { MetricsAddress } from "../control/types.ts";
import { answerPage } from "./answer.ts";
import type { Assets } from "./assets.ts";
import { keepHistory } from "./history.ts";

/** Bytes of a key. */
const KEY_BYTES = 16;

/** A page that is served. */
export interface PageServer {
  /** Where, with its key. */
  readonly url: string;
  /** Resolves when requests under way are answered. */
  close(): Promise<void>;
}

function newKey(): string {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex();
}

/**
 * Serves it. @param assets loaded before the switch gave up what `--sandbox` takes away
 * @throws {ControlError} the address cannot be had */
export function servePage(
  address: MetricsAddress,
  control: SwitchControl,
  events: EventStore,
  logger: Logger,
  assets: Assets,
): PageServer {
  const { listener, host } = listenLoopback(address, "the page", "--page");
  const key = newKey();
  if (assets.problem !== null) {
    logger.warn("switch", "page-still", `the page does not move by itself: ${assets.problem}`);
  }
  const [history, stop] = keepHistory((each) => {
    each.take(control.status(), control.workers(), Date.now());
  });
  const served = { control, events, history, assets, key };
  const server = new HttpServer(
    listener,
    (request) => Promise.resolve(answerPage(request, served)),
  );
  logger.info("switch", "page", `page at http://${host}/, for who has its link: vuswitch page`);
  return {
    url: `http://${host}/${key}/`,
    close: async () => {
      stop();
      await server.shutdown();
    },
  };
}

/**
 * The socket of the control API: bound for the switch's user alone, made again when its file is
 * removed.
 *
 * @module
 */
import { closeFd, nameFile } from "../../../ffi/mod.ts";
import { HttpServer } from "./http.ts";
import { EventStore } from "../events/store.ts";
import { handle } from "./routes.ts";
import {
  bindError,
  checkSocketPath,
  folderOf,
  makeRoom,
  socketIdentity,
  unlinkSocket,
} from "../sockets/bind.ts";
import type { Logger } from "../log.ts";
import { boundName } from "../sockets/process.ts";
import { SocketFile } from "../sockets/socket_file.ts";
import type { SocketWatch } from "../sockets/socket_watch.ts";
import { ControlError } from "../types.ts";
import type { SwitchControl } from "./table.ts";

/** A running control API. */
export interface ControlApi {
  /** Removes the socket's file, then resolves when requests under way are answered. */
  close(): Promise<void>;
}

/** Serves `control` at `path`. @throws {ControlError} the path is in use or cannot be made */
export function serveApi(
  path: string,
  control: SwitchControl,
  watch: SocketWatch,
  logger: Logger,
  events: EventStore = new EventStore(),
): ControlApi {
  return new ApiServer(path, control, watch, logger, events);
}

/** The server, bound anew when its file is gone. */
class ApiServer implements ControlApi {
  readonly #path: string;
  readonly #control: SwitchControl;
  readonly #events: EventStore;
  readonly #file: SocketFile;
  #server: HttpServer | null = null;

  constructor(
    path: string,
    control: SwitchControl,
    watch: SocketWatch,
    logger: Logger,
    events: EventStore,
  ) {
    this.#path = path;
    this.#control = control;
    this.#events = events;
    this.#file = new SocketFile(path, this.#serve(), watch, {
      bindAgain: () => this.#serve(),
      log: (level, event, message) => logger[level]("switch", event, message),
    });
  }

  /** Binds a new socket; requests that are under way at an earlier one are answered there. */
  #serve(): string {
    const { server, identity } = bindServer(
      this.#path,
      (request) => handle(request, this.#control, this.#events),
    );
    const old = this.#server;
    this.#server = server;
    void old?.shutdown();
    return identity;
  }

  /** Answers what is under way, and ends. */
  async close(): Promise<void> {
    this.#file.remove();
    this.#events.close();
    await this.#server?.shutdown();
  }
}

let servers = 0;

/**
 * A server whose socket the switch's user alone may open. The runtime removes the path that a server
 * was bound to when it ends, whoever's file is there by then. So it is bound to a name of its own,
 * which then becomes the path in one step that takes nobody's place.
 */
function bindServer(
  path: string,
  answer: (request: Request) => Promise<Response>,
): { server: HttpServer; identity: string } {
  checkSocketPath(path);
  makeRoom(path);
  const mask = Deno.umask(0o177);
  let folderFd = -1;
  let server: HttpServer | null = null;
  try {
    folderFd = nameFile(`${folderOf(path)}/.`);
    // The folder is named by its descriptor: a socket's path must be short.
    const bound = boundName(folderFd, ++servers);
    // A process of the same number may have left it.
    unlinkSocket(bound);
    server = new HttpServer(Deno.listen({ transport: "unix", path: bound }), answer, () => {
      closeFd(folderFd);
    });
    return { server, identity: moveTo(path, bound) };
  } catch (error) {
    if (server !== null) void server.shutdown();
    else if (folderFd >= 0) closeFd(folderFd);
    throw bindError(path, error);
  } finally {
    Deno.umask(mask);
  }
}

function moveTo(path: string, bound: string): string {
  const identity = socketIdentity(bound);
  if (identity === null) {
    throw new ControlError("invalid", `Cannot listen on ${path}: it was removed at once`);
  }
  Deno.linkSync(bound, path);
  Deno.removeSync(bound);
  return identity;
}

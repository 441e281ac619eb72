/**
 * A headless Chromium, driven by the DevTools protocol as a person drives it: pages, keys, clicks,
 * screenshots; and what a page asked for and complained of.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasProgram } from "./peers.ts";
import { TempFolder } from "./temp.ts";
import { until } from "./until.ts";

/** Debian packages that are missing. */
export const CHROMIUM_MISSING: readonly string[] = hasProgram("chromium") ? [] : ["chromium"];

// deno-lint-ignore no-explicit-any -- what it holds depends on the method
type Params = Record<string, any>;
type Listener = (method: string, params: Params, session: string | undefined) => void;

/** One connection for the browser and all its pages. */
class Protocol {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Params) => void>();
  readonly listeners = new Set<Listener>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
  }

  static async open(url: string): Promise<Protocol> {
    const socket = new WebSocket(url);
    const opened = Promise.withResolvers<void>();
    socket.addEventListener("open", () => opened.resolve());
    socket.addEventListener("error", () => opened.reject(new Error(`no answer at ${url}`)));
    await opened.promise;
    return new Protocol(socket);
  }

  #take(message: Params): void {
    if (message.id !== undefined) return this.#waiting.get(message.id)?.(message);
    for (const each of this.listeners) each(message.method, message.params, message.sessionId);
  }

  async call(method: string, params: Params, sessionId?: string): Promise<Params> {
    const id = ++this.#last;
    const answered = Promise.withResolvers<Params>();
    this.#waiting.set(id, answered.resolve);
    const session = sessionId === undefined ? {} : { sessionId };
    this.#socket.send(JSON.stringify({ id, method, params, ...session }));
    const { error, result } = await answered.promise;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  close(): void {
    this.#socket.close();
  }
}

/** A browser. Leave its `await using` scope to end it. */
export class Browser implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly #process: Deno.ChildProcess;
  readonly #protocol: Protocol;
  readonly #reading: Promise<void>;

  private constructor(
    folder: TempFolder,
    process: Deno.ChildProcess,
    protocol: Protocol,
    reading: Promise<void>,
  ) {
    this.#folder = folder;
    this.#process = process;
    this.#protocol = protocol;
    this.#reading = reading;
  }

  /** Starts one with a profile of its own. Downloads go to {@linkcode downloads}. */
  static async start(): Promise<Browser> {
    const folder = new TempFolder();
    const process = new Deno.Command("chromium", {
      args: [
        ...["--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--mute-audio"],
        ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        ...["--disable-dev-shm-usage", "--disable-extensions", "--no-default-browser-check"],
        ...["--remote-debugging-port=0", `--user-data-dir=${folder.file("profile")}`],
        "about:blank",
      ],
      env: { HOME: folder.path },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let said = "";
    const reading = (async () => {
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) said += text;
    })();
    await until("Chromium listens", () => said.includes("DevTools listening on "));
    const url = /DevTools listening on (ws:\S+)/.exec(said)?.[1] ?? "";
    const browser = new Browser(folder, process, await Protocol.open(url), reading);
    await browser.#protocol.call("Browser.setDownloadBehavior", {
      ...{ behavior: "allow", downloadPath: browser.downloads },
    });
    return browser;
  }

  /** Where downloads are. */
  get downloads(): string {
    return this.#folder.file("downloads");
  }

  /** Opens an empty page. */
  async page(): Promise<Page> {
    const { targetId } = await this.#protocol.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#protocol.call("Target.attachToTarget", {
      ...{ targetId, flatten: true },
    });
    const page = new Page(this.#protocol, sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.call(`${domain}.enable`);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#protocol.call("Browser.close", {}).catch(() => {});
    this.#protocol.close();
    await this.#process.status;
    await this.#reading;
    this.#folder[Symbol.dispose]();
  }
}

/** Keys that are no characters, with their codes. */
const KEY_CODES: Readonly<Record<string, number>> = {
  ...{ Tab: 9, Enter: 13, Escape: 27, End: 35, Home: 36, ArrowLeft: 37, ArrowRight: 39 },
};

/** A page of a browser. */
export class Page {
  readonly #protocol: Protocol;
  readonly #session: string;
  /** What it asked for, in order. */
  readonly requests: string[] = [];
  /** What it complained of: errors of scripts, of its policy, of requests. */
  readonly complaints: string[] = [];
  #loads = 0;

  /** Listens to what happens at it. */
  constructor(protocol: Protocol, session: string) {
    this.#protocol = protocol;
    this.#session = session;
    protocol.listeners.add((method, params, from) => {
      if (from === session) this.#hear(method, params);
    });
  }

  #hear(method: string, params: Params): void {
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Page.loadEventFired") this.#loads++;
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
    if (method === "Runtime.exceptionThrown") {
      const { text, exception } = params.exceptionDetails;
      this.complaints.push(`${text} ${exception?.description ?? ""}`);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "assert"].includes(params.type)) {
      this.complaints.push(JSON.stringify(params.args));
    }
  }

  /** Calls a method of the protocol. */
  async call(method: string, params: Params = {}): Promise<Params> {
    return await this.#protocol.call(method, params, this.#session);
  }

  /** Does something that leads to another page, and waits for that. */
  async leads(act: () => Promise<unknown>): Promise<void> {
    const before = this.#loads;
    await act();
    await until("a page is loaded", () => this.#loads > before);
  }

  /** Goes to an address. */
  async go(url: string): Promise<void> {
    await this.leads(async () => {
      const { errorText } = await this.call("Page.navigate", { url });
      assert.equal(errorText, undefined, url);
    });
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      ...{ expression, returnByValue: true, awaitPromise: true },
    });
    assert.equal(exceptionDetails, undefined, `${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** The text of what a selector finds first. */
  async text(selector: string): Promise<string> {
    return await this.value(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
  }

  /** Waits until an expression in the page is true. */
  async until(what: string, expression: string): Promise<void> {
    await until(what, async () => await this.value(`Boolean(${expression})`));
  }

  /** Clicks in the middle of what a selector finds first, with a pointer. */
  async click(selector: string): Promise<void> {
    const [x, y] = await this.value<[number, number]>(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: "center" });
      const { left, top, width, height } = element.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.call("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  /** Moves the pointer to the middle of what a selector finds first. */
  async hover(selector: string): Promise<void> {
    const [x, y] = await this.value<[number, number]>(`(() => {
      const { left, top, width, height } = document.querySelector(${JSON.stringify(selector)})
        .getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    })()`);
    await this.call("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
  }

  /** Presses a key: a character, or one of some names. */
  async press(key: string): Promise<void> {
    const code = KEY_CODES[key];
    const text = key === "Enter" ? { text: "\r" } : code === undefined ? { text: key } : {};
    const windowsVirtualKeyCode = code ?? key.toUpperCase().charCodeAt(0);
    await this.call("Input.dispatchKeyEvent", {
      ...{ type: "keyDown", key, windowsVirtualKeyCode, ...text },
    });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", key, windowsVirtualKeyCode });
  }

  /** Types a text where the focus is. */
  async type(text: string): Promise<void> {
    await this.call("Input.insertText", { text });
  }

  /** How wide it is, and how its user has colours and motion. */
  async look(width: number, height: number, scheme: "light" | "dark"): Promise<void> {
    await this.call("Emulation.setDeviceMetricsOverride", {
      ...{ width, height, deviceScaleFactor: 1, mobile: false },
    });
    await this.call("Emulation.setEmulatedMedia", {
      features: [
        { name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" },
      ],
    });
  }

  /** Writes a picture of the whole page. */
  async picture(file: string): Promise<void> {
    const { data } = await this.call("Page.captureScreenshot", { captureBeyondViewport: true });
    await Deno.writeFile(file, Uint8Array.fromBase64(data));
  }
}

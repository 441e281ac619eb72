/**
 * The fuzzers by name, and how one is run: cases come from a seed, a failure says how to see it
 * again.
 *
 * @module
 */
import fc from "fast-check";
import { WAIT_MS_MAX } from "../harness/until.ts";
import { hostileBytes, PortBench } from "./hostile_bytes.ts";
import { hostileRings } from "./hostile_rings.ts";
import { hostileSession, newSessionTally } from "./hostile_session.ts";
import { hostileStreams, newStreamsTally } from "./hostile_streams.ts";
import { newTally } from "./rings_tally.ts";

/** What to run. */
export interface FuzzOptions {
  readonly seed: number;
  /** Cases, at most. */
  readonly cases: number;
  /** Seconds, at most; a case begun is finished. */
  readonly seconds?: number | undefined;
  /** Where in the cases of the seed the one to be seen again is. */
  readonly path?: string | undefined;
  /** How long to wait for what must happen, ms. */
  readonly patienceMs?: number;
  /** Tell of a fault as it was found, not made small. */
  readonly asFound?: boolean;
}

/** What came of a run. */
export interface FuzzReport {
  readonly cases: number;
  /** How far the cases got. */
  readonly tally: object;
  /** The fault and how to see it again, or null. */
  readonly fault: string | null;
}

interface Fuzzer {
  readonly about: string;
  /** Cases in a run on every change. */
  readonly shortCases: number;
  readonly run: (parameters: fc.Parameters<unknown>, patienceMs: number) => Promise<Ran>;
}

interface Ran {
  readonly details: fc.RunDetails<unknown>;
  readonly tally: object;
}

/** The fuzzers by name. Those of text are loaded when they are run: alphabets take two seconds. */
export const FUZZERS: Readonly<Record<string, Fuzzer>> = {
  rings: {
    about: "rings and memory of a hostile guest beside two good ones",
    shortCases: 350,
    run: async (parameters) => {
      const tally = newTally();
      const details = await fc.check(hostileRings(tally) as fc.IProperty<unknown>, parameters);
      return { details, tally: { ...tally, reasons: Object.fromEntries(tally.reasons) } };
    },
  },
  session: {
    about: "messages of a hostile front-end to a session",
    shortCases: 800,
    run: async (parameters) => {
      const tally = newSessionTally();
      const details = await fc.check(hostileSession(tally) as fc.IProperty<unknown>, parameters);
      return { details, tally: { ...tally, closes: Object.fromEntries(tally.closes) } };
    },
  },
  bytes: {
    about: "bytes and descriptors at the socket of a port",
    shortCases: 250,
    run: async (parameters, patienceMs) => {
      const bench = new PortBench(patienceMs);
      // What one case left behind is in the way of the next: nothing can be made smaller.
      const once = { ...parameters, endOnFailure: true };
      const details = await fc.check(hostileBytes(bench) as fc.IAsyncProperty<unknown>, once);
      if (!details.failed) await bench.close();
      return { details, tally: bench.tally };
    },
  },
  streams: {
    about: "frames, lengths and ends of a peer at a stream uplink beside two good ports",
    shortCases: 100,
    run: async (parameters) => {
      const tally = newStreamsTally();
      const details = await fc.check(hostileStreams(tally) as fc.IProperty<unknown>, parameters);
      return { details, tally: { ...tally, ends: Object.fromEntries(tally.ends) } };
    },
  },
  http: {
    about: "requests at the control socket, cut and damaged in any way",
    shortCases: 600,
    run: async (parameters) => {
      const { hostileHttp, newHttpTally } = await import("./hostile_http.ts");
      const tally = newHttpTally();
      const details = await fc.check(hostileHttp(tally) as fc.IAsyncProperty<unknown>, parameters);
      return { details, tally };
    },
  },
  words: {
    about: "port specifications, configuration files, control requests and command lines",
    shortCases: 800,
    run: async (parameters) => {
      const { hostileWords, newWordsTally } = await import("./hostile_words.ts");
      const tally = newWordsTally();
      const folder = await Deno.makeTempDir({ prefix: "vuswitch-words-" });
      try {
        const property = hostileWords(tally, folder) as fc.IAsyncProperty<unknown>;
        return { details: await fc.check(property, parameters), tally };
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  },
};

/** Runs one fuzzer. */
export async function fuzz(name: string, options: FuzzOptions): Promise<FuzzReport> {
  const fuzzer = FUZZERS[name];
  if (!fuzzer) throw new Error(`No fuzzer "${name}": ${Object.keys(FUZZERS).join(", ")}`);
  const { seed, cases, seconds, path, patienceMs = WAIT_MS_MAX, asFound = false } = options;
  const { details, tally } = await fuzzer.run({
    seed,
    numRuns: cases,
    endOnFailure: asFound,
    ...(seconds === undefined ? {} : { interruptAfterTimeLimit: 1000 * seconds }),
    ...(path === undefined ? {} : { path }),
  }, patienceMs);
  const fault = details.failed ? describe(name, details) : null;
  return { cases: details.numRuns, tally, fault };
}

function describe(name: string, details: fc.RunDetails<unknown>): string {
  const { seed, counterexamplePath, counterexample, errorInstance } = details;
  const error = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
  return [
    `${name}: see it again with: deno task fuzz ${name} --seed ${seed} --path ${counterexamplePath}`,
    `case: ${fc.stringify(counterexample)}`,
    error,
  ].join("\n");
}

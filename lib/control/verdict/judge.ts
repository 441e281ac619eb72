/**
 * The state of a port in words: what an operator wants to know first. Where nothing is wrong with
 * the port itself, its counters decide: those since it was added, or, for whoever looks twice, how
 * much they grew in between.
 *
 * @module
 */
import { PORT_ROWS } from "../../switch/counter_rows.ts";
import type { PortProblem, PortStatus, VringStatus } from "../types.ts";
import {
  QUIET_VERDICTS,
  STATE_VERDICTS,
  TRAFFIC_VERDICTS,
  type TrafficRow,
  VERDICT_ROWS,
  type VerdictLevel,
} from "./rows.ts";

/** What is said of a port. */
export interface Verdict {
  /** Stable: a verdict's, or a problem's. */
  readonly code: string;
  /** How bad it is. */
  readonly level: VerdictLevel;
  /** What is so. */
  readonly text: string;
  /** What helps; null: nothing is to be done, or nothing is known to. */
  readonly fix: string | null;
}

/** What the JSON of a port has of its verdict. */
export type VerdictFields = Pick<
  PortStatus,
  "verdict" | "verdictCode" | "verdictLevel" | "verdictFix"
>;
/** All that a port is judged by. */
export type Judged = Omit<PortStatus, keyof VerdictFields>;

/** Counters, or their growth, by name. */
export type Counts = Readonly<Record<string, number>>;

type StateCode = (typeof STATE_VERDICTS)[number][0];
type QuietCode = (typeof QUIET_VERDICTS)[number][0];

/** Losses below this share of the frames of their way are no verdict. */
const SHARE_LEAST = 0.001;

/** Drops of frames that came from the guest and are not among `rxFrames`. */
const UNCOUNTED = [
  ...["rxDroppedMalformed", "rxDroppedOversize", "rxDroppedBadOffload", "rxDroppedRate"],
  ...["rxDroppedSlow", "rxDroppedDisabled", "rxDroppedDhcp", "rxDroppedRouter", "rxDroppedIp"],
  "rxDroppedHidden",
];
const TX_DROPS = PORT_ROWS.map(([name]) => name).filter((name) => name.startsWith("txDropped"));

function say(code: StateCode | QuietCode, name: string, text: string, fix?: string): Verdict {
  const row = [...STATE_VERDICTS, ...QUIET_VERDICTS].find(([each]) => each === code);
  return {
    ...{ code, level: row?.[1] ?? "fault", text },
    fix: (fix ?? row?.[3] ?? null)?.replace("NAME", name) ?? null,
  };
}

function ofProblem({ code, text, hint }: PortProblem, isUp: boolean): Verdict {
  return { code, level: isUp ? "warning" : "fault", text, fix: hint };
}

function sum(counters: Counts, names: readonly string[]): number {
  return names.reduce((all, name) => all + (counters[name] ?? 0), 0);
}

/** A share of a whole as people write it. */
export function percentText(share: number): string {
  const percent = 100 * share;
  return `${percent >= 9.95 ? Math.round(percent) : percent.toFixed(1)} %`;
}

interface Loss {
  readonly cause: TrafficRow;
  readonly frames: number;
  /** Of the frames of its way. */
  readonly share: number;
}

function lossOf(cause: TrafficRow, counters: Counts): Loss {
  const frames = sum(counters, cause.counters);
  const all = cause.counters[0]?.startsWith("tx")
    ? sum(counters, ["txFrames", ...TX_DROPS])
    : sum(counters, ["rxFrames", ...UNCOUNTED]);
  return { cause, frames, share: frames === 0 ? 0 : Math.min(1, frames / all) };
}

/**
 * What becomes of the frames of a port that is up.
 * @param counters since it was added, or how much they grew between two looks
 * @param lately whether they are of such a stretch of time
 */
export function judgeTraffic(
  { name, kind }: Pick<Judged, "name" | "kind">,
  counters: Counts,
  lately = false,
): Verdict {
  const losses = TRAFFIC_VERDICTS.map((cause) => lossOf(cause, counters))
    .filter(({ share }) => share >= SHARE_LEAST)
    .sort((one, other) => other.frames - one.frames);
  const [worst] = losses;
  if (worst !== undefined) {
    const { row: [code, level, , fix], text } = worst.cause;
    const others = losses.length - 1;
    const more = others === 0 ? "" : `; ${others} more reason${others === 1 ? "" : "s"}`;
    const dropped = `(${worst.frames} dropped${lately ? "" : " so far"}${more})`;
    return {
      ...{ code, level },
      text: `${text.replace("%", percentText(worst.share))} ${dropped}`,
      fix: fix?.replace("NAME", name) ?? null,
    };
  }
  const { rxFrames = 0, txFrames = 0 } = counters;
  if (rxFrames > 0 || (txFrames > 0 && (lately || kind !== "vhost"))) {
    return say("flows", name, "link up, frames flow");
  }
  if (txFrames > 0) return say("sends-nothing", name, "link up, the guest has sent nothing yet");
  return say("no-frames", name, lately ? "link up, no frames now" : "link up, no frames yet");
}

function waiting(port: Judged): Verdict {
  for (const [code, what] of [["socket-gone", "can come"], ["closing", "is taken"]] as const) {
    const found = port.problems.find((each) => each.code === code);
    if (found === undefined) continue;
    const verdict = ofProblem(found, false);
    return { ...verdict, text: `no front-end ${what}: ${found.text}` };
  }
  const { lastError, linkSince, name } = port;
  if (port.retry !== null) {
    const { reason, afterMs } = port.retry;
    const text = `waiting to connect: ${reason}, next try in ${afterMs / 1000} s`;
    return say("connecting", name, text);
  }
  if (lastError !== null && lastError.at >= linkSince) {
    return say("refused-before", name, `waiting for a front-end: ${lastError.detail}`);
  }
  const who = port.connects === 0 ? "nobody has connected" : "none is connected";
  return say("no-front-end", name, `waiting for a front-end: ${who} since ${linkSince}`);
}

function judgeVhost(
  port: Judged,
  broken: readonly Pick<VringStatus, "index" | "error">[],
  refusal: string | null,
): Verdict | null {
  if (port.link === "wait") return waiting(port);
  const [problem] = port.problems;
  if (problem) return ofProblem(problem, port.link === "up");
  const [first] = broken;
  if (first) {
    const fix = `vuswitch explain ${first.error}; a reset of the guest's device starts it again`;
    return say("ring-stopped", port.name, `vring ${first.index} stopped: ${first.error}`, fix);
  }
  if (port.link === "up") return null;
  const lacks = port.memory.length === 0 ? "guest memory not shared yet" : "virtqueues not running";
  const connected = `front-end connected, ${lacks}`;
  if (refusal !== null) return say("refused", port.name, `${connected}: ${refusal}`);
  return say("no-driver", port.name, `${connected}: its driver has not started`);
}

function judgeUplink(port: Judged): Verdict | null {
  const [problem] = port.problems;
  if (problem) return ofProblem(problem, port.link === "up");
  const { retry, name, device } = port;
  if (retry !== null) return say("connecting", name, `waiting: ${retry.reason}`);
  if (port.link === "wait") return say("connecting", name, "waiting: nobody is connected");
  if (port.link === "up") return null;
  return say("device-down", name, "link down", `ip link set ${device?.name ?? "DEVICE"} up`);
}

/**
 * What is said of a port, of any kind.
 * @param broken its virtqueues that were stopped
 * @param refusal what its front-end was refused last, for people
 */
export function judge(
  port: Judged,
  broken: readonly Pick<VringStatus, "index" | "error">[] = [],
  refusal: string | null = null,
): Verdict {
  if (port.admin === "down") return say("admin-down", port.name, "down by operator");
  const state = port.kind === "vhost" ? judgeVhost(port, broken, refusal) : judgeUplink(port);
  return state ?? judgeTraffic(port, port.counters);
}

/** A verdict as the JSON of a port has it. */
export function verdictFields({ code, level, text, fix }: Verdict): VerdictFields {
  return {
    verdict: fix === null ? text : `${text}: ${fix}`,
    verdictCode: code,
    verdictLevel: level,
    verdictFix: fix,
  };
}

const TRAFFIC_CODES: readonly string[] = [
  ...TRAFFIC_VERDICTS.map(({ row: [code] }) => code),
  ...QUIET_VERDICTS.map(([code]) => code),
];

/** What a port's JSON says of it. */
export function verdictOf(port: PortStatus): Verdict {
  const { verdict, verdictCode: code, verdictLevel: level, verdictFix: fix } = port;
  const text = fix !== null && verdict.endsWith(`: ${fix}`)
    ? verdict.slice(0, -fix.length - 2)
    : verdict;
  return { code, level, text, fix };
}

/** What is said of a port by whoever looked twice. @param growth of its counters in between */
export function verdictLately(port: PortStatus, growth: Counts): Verdict {
  const said = verdictOf(port);
  const isAboutTraffic = TRAFFIC_CODES.includes(said.code) && port.problems.length === 0;
  return isAboutTraffic ? judgeTraffic(port, growth, true) : said;
}

/** Codes of verdicts that are no problems' codes. */
export const VERDICT_CODES: readonly string[] = VERDICT_ROWS.map(([code]) => code);

/** The same, as the JSON of a port has it. */
export function judgedLately(port: PortStatus, growth: Counts): VerdictFields {
  return verdictFields(verdictLately(port, growth));
}

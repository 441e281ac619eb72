/**
 * The state of a port in words: what an operator wants to know first.
 *
 * @module
 */
import type { PortStatus, VringStatus } from "../types.ts";

/**
 * One line about a port.
 * @param broken its virtqueues that were stopped
 * @param refusal what its front-end was refused last, for people
 */
export function portVerdict(
  port: Omit<PortStatus, "verdict">,
  broken: readonly Pick<VringStatus, "index" | "error">[],
  refusal: string | null,
): string {
  if (port.admin === "down") return `down by operator: vuswitch port up ${port.name} puts it back`;
  if (port.link === "wait") return waiting(port);
  const [problem] = port.problems;
  if (problem) return `${problem.text}${problem.hint === null ? "" : `: ${problem.hint}`}`;
  const [first] = broken;
  if (first) return `vring ${first.index} stopped: ${first.error}`;
  if (port.link === "down") {
    const lacks = port.memory.length === 0
      ? "guest memory not shared yet"
      : "virtqueues not running";
    return `front-end connected, ${lacks}: ${refusal ?? "its driver has not started"}`;
  }
  const { txDroppedNoBuffer: late = 0, rxFrames = 0, txFrames = 0 } = port.counters;
  if (late > 0) {
    return `link up; the guest was short of receive buffers: ${late} frames to it dropped`;
  }
  return rxFrames + txFrames > 0 ? "link up, frames flow" : "link up, no frames yet";
}

function waiting(port: Omit<PortStatus, "verdict">): string {
  const gone = port.problems.find(({ code }) => code === "socket-gone");
  if (gone) return `no front-end can come: ${gone.text}: ${gone.hint}`;
  const closing = port.problems.find(({ code }) => code === "closing");
  if (closing) return `no front-end is taken: ${closing.text}: ${closing.hint}`;
  if (port.retry !== null) {
    return `waiting to connect: ${port.retry.reason}, next try in ${port.retry.afterMs / 1000} s`;
  }
  const { lastError, linkSince } = port;
  if (lastError !== null && lastError.at >= linkSince) {
    return `waiting for a front-end: ${lastError.detail}`;
  }
  const who = port.connects === 0 ? "nobody has connected" : "none is connected";
  return `waiting for a front-end: ${who} since ${linkSince}`;
}

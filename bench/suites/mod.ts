/**
 * All suites, in the order they run.
 *
 * @module
 */
import type { Suite } from "../suite.ts";
import { idle } from "./idle.ts";
import { large } from "./large.ts";
import { latency } from "./latency.ts";
import { loss } from "./loss.ts";
import { scale } from "./scale.ts";
import { throughput } from "./throughput.ts";

/** See the module. */
export const SUITES: readonly Suite[] = [throughput, latency, loss, scale, idle, large];

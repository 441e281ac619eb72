/**
 * A port's budget as an operator writes it: `budget=large`, or `budget=memory:64G+regions:32`, where
 * what is not named keeps its default. The limits themselves are those of lib/base/port_limits.ts.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { didYouMean } from "../../base/nearest.ts";
import {
  addressSpaceGib,
  BUDGET_NAMES,
  type BudgetName,
  limitRow,
  LIMITS,
} from "../../base/port_limits.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** Limits that were named, in the units of their rows. */
export type BudgetOption = Readonly<Partial<Record<BudgetName, number>>>;

/** The limits in force of a port that an operator can set. */
export interface Budget {
  /** Guest memory, bytes. */
  readonly memory: number;
  /** Regions of it. */
  readonly regions: number;
  /** MAC addresses that are learned. */
  readonly addresses: number;
  /** Address space, GiB. */
  readonly addressSpace: number;
}

/** The word for large guests. */
const LARGE = "large";
const WORDS: readonly string[] = [LARGE, ...BUDGET_NAMES];

/** How the option's value is written. */
export const BUDGET_FORM = "large|NAME:N+…";

const SUFFIXES: Readonly<Record<string, number>> = {
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** A number as people write one of bytes. */
function sizeText(value: number): string {
  const suffix = Object.entries(SUFFIXES).findLast(([, unit]) => value % unit === 0);
  return suffix === undefined ? `${value}` : `${value / suffix[1]}${suffix[0]}`;
}

function numberText(name: BudgetName, value: number): string {
  return limitRow(name).unit === "bytes" ? sizeText(value) : `${value}`;
}

function rangeText(name: BudgetName): string {
  const [least, most] = limitRow(name).range ?? [];
  return `${numberText(name, least ?? 0)} to ${numberText(name, most ?? 0)}`;
}

/** What the words set, Markdown. */
export const BUDGET_MEANING: string = `\`${LARGE}\` (memory ${
  sizeText(LIMITS.memory.large)
}, addresses ${LIMITS.addresses.large}), ${
  BUDGET_NAMES.map((name) => `\`${name}:N\` (${rangeText(name)})`).join(", ")
}`;

function invalid(what: string): ControlError {
  return new ControlError("invalid", what);
}

function readNumber(name: BudgetName, value: unknown): number {
  const [, digits = "", suffix = ""] = /^(\d{1,15})([KMGT]?)$/.exec(shown(value)) ?? [];
  const inBytes = limitRow(name).unit === "bytes";
  const number = digits === "" || (suffix !== "" && !inBytes)
    ? NaN
    : Number(digits) * (SUFFIXES[suffix] ?? 1);
  const [least, most] = limitRow(name).range ?? [0, 0];
  if (number >= least && number <= most) return number;
  const unit = inBytes ? "bytes, K, M, G and T behind them allowed" : limitRow(name).unit;
  throw invalid(`budget ${name}:${value} must be ${rangeText(name)} (${unit})`);
}

function readName(word: string): BudgetName {
  const name = BUDGET_NAMES.find((known) => known === word);
  if (name !== undefined) return name;
  const fix = didYouMean(word, WORDS);
  throw invalid(`budget "${word}" is unknown${fix ? `, ${fix}` : `; known: ${WORDS.join(", ")}`}`);
}

function largeBudget(): Partial<Record<BudgetName, number>> {
  return Object.fromEntries(BUDGET_NAMES.flatMap((name) => {
    const { large } = limitRow(name);
    return large === undefined ? [] : [[name, large]];
  }));
}

/** Reads the option: a text, or in a file and a request also an object. @throws {ControlError} */
export function readBudget(value: unknown): BudgetOption {
  const pairs: (readonly [string, unknown])[] =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value)
      : shown(value).split("+").map((part) => {
        const [word = "", ...number] = part.split(":");
        return [word, number.join(":")];
      });
  let large = {};
  const read: Partial<Record<BudgetName, number>> = {};
  for (const [word, number] of pairs) {
    if (word === LARGE && number === "") {
      large = largeBudget();
      continue;
    }
    const name = readName(word);
    if (read[name] !== undefined) throw invalid(`budget ${name} is given twice: keep one`);
    read[name] = readNumber(name, number);
  }
  return { ...large, ...read };
}

/** The limits of a port. @param addressesMax of a port that does not say how many, if that is known */
export function budgetOf(
  { budget = {} }: Pick<PortConfig, "budget">,
  addressesMax: number = LIMITS.addresses.most,
): Budget {
  const memory = budget.memory ?? LIMITS.memory.most;
  const regions = budget.regions ?? LIMITS.regions.most;
  return {
    memory,
    regions,
    addresses: budget.addresses ?? addressesMax,
    addressSpace: addressSpaceGib(memory, regions),
  };
}

/** Checks what a port says of its budget as a whole. @throws {ControlError} naming the fix */
export function checkBudget({ name, kind, budget }: PortConfig): void {
  if (kind === undefined || budget === undefined) return;
  if (budget.memory === undefined && budget.regions === undefined) return;
  throw invalid(
    `port "${name}" has no front-end that brings memory: leave budget=addresses:N of its budget`,
  );
}

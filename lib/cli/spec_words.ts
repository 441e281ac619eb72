/**
 * How the specification of a port goes on, and a setting of `port set`: names of options, and what
 * they may be where that is a list. From the rows of the options.
 *
 * @module
 */
import { DEFAULT_WORD, LIVE_OPTIONS } from "../control/config/live_options.ts";
import { OPTION_NAMES, PORT_OPTIONS } from "../control/config/port_options.ts";
import type { Place, Proposal } from "./command.ts";

/** What an option may be, as far as its form lists it. */
function valuesOf(name: string): string[] {
  const { form } = PORT_OPTIONS[name] ?? { form: "" };
  return form.split("|").filter((word) => /^[a-z][a-z0-9+-]*$/.test(word));
}

/** How what is behind `head` goes on: an option's name, or its value. */
function optionWords(head: string, typed: string, names: readonly string[]): Proposal[] {
  const at = typed.indexOf("=");
  if (at < 0) {
    return names.map((name) => ({
      word: `${head}${name}=`,
      about: PORT_OPTIONS[name]?.brief ?? "",
    }));
  }
  const name = typed.slice(0, at);
  return names.includes(name)
    ? valuesOf(name).map((value) => ({ word: `${head}${name}=${value}`, about: "" }))
    : [];
}

/** Behind the first comma of `NAME[=PATH][,OPTION=…]`; an option that is there is not proposed. */
export function specWords({ partial }: Place): Proposal[] {
  const end = partial.lastIndexOf(",");
  if (end < 0) return [];
  const head = partial.slice(0, end + 1);
  const there = head.split(",").slice(1).map((word) => word.split("=")[0]);
  const names = OPTION_NAMES.filter((name) => !there.includes(name));
  return optionWords(head, partial.slice(end + 1), names);
}

/** `OPTION=VALUE` of a port that is there. */
export function settingWords({ partial }: Place): Proposal[] {
  const words = optionWords("", partial, LIVE_OPTIONS);
  const [, name] = /^([a-z-]+)=/.exec(partial) ?? [];
  if (name === undefined || !LIVE_OPTIONS.includes(name)) return words;
  return [...words, { word: `${name}=${DEFAULT_WORD}`, about: "as if nobody had said it" }];
}

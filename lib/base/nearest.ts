/**
 * "Did you mean": the known words that a mistyped one is nearest to.
 *
 * @module
 */
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** Longer words are not compared: they come from outside. */
const LENGTH_MAX = 64;
/** As many are proposed; with more that are as near, none is meant. */
const PROPOSALS_MAX = 3;
/** Words looked at. */
const WORDS_MAX = 1024;

/**
 * Letters to change, add, drop or swap with the next to make one word of the other. Std counts a
 * swap, the most frequent slip of all, as two changes: here swaps are undone first. It is never less
 * than the true distance, and the same but for words with several slips side by side.
 * @param most what is further off is of no interest
 */
function distance(one: string, other: string, most: number): number {
  let rest = levenshteinDistance(one, other);
  let swaps = 0;
  // An undone swap saves two steps at most, and costs one.
  if (rest > 2 * most) return rest;
  for (let i = 1; i < one.length && rest > 1; i++) {
    const right = `${one[i]}${one[i - 1]}`;
    if (!other.includes(right)) continue;
    const undone = one.slice(0, i - 1) + right + one.slice(i + 1);
    const left = levenshteinDistance(undone, other);
    if (left >= rest) continue;
    [one, rest] = [undone, left];
    swaps++;
  }
  return rest + swaps;
}

/** The known words nearest to `word`, at most three that are as near; none if nothing is near. */
export function nearest(word: string, known: readonly string[]): string[] {
  if (word === "" || word.length > LENGTH_MAX) return [];
  const typed = word.toLowerCase();
  let least = Math.max(1, Math.floor(typed.length / 3));
  let found: string[] = [];
  for (const each of known.slice(0, WORDS_MAX)) {
    if (each.length > LENGTH_MAX) continue;
    const far = distance(typed, each.toLowerCase(), least);
    if (far > least) continue;
    if (far < least) found = [];
    least = far;
    found.push(each);
  }
  if (found.length === 0 && typed.length >= 3) {
    found = known.filter((each) => each.toLowerCase().startsWith(typed));
  }
  return found.length > PROPOSALS_MAX ? [] : found;
}

/** `did you mean vm1 or vm2?`, or null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const words = nearest(word, known);
  if (words.length === 0) return null;
  const last = words.pop() as string;
  return `did you mean ${words.length === 0 ? last : `${words.join(", ")} or ${last}`}?`;
}

/**
 * "Did you mean": the known words that a mistyped one is nearest to.
 *
 * @module
 */

/** Longer words are not compared: they come from outside. */
const LENGTH_MAX = 64;
/** As many are proposed; with more that are as near, none is meant. */
const PROPOSALS_MAX = 3;
/** Words looked at. */
const WORDS_MAX = 1024;

/** Letters to change, add, drop or swap with the next to make one word of the other. */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      least = Math.min(least, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[other.length] ?? 0;
}

/** The known words nearest to `word`, at most three that are as near; none if nothing is near. */
export function nearest(word: string, known: readonly string[]): string[] {
  if (word === "" || word.length > LENGTH_MAX) return [];
  const typed = word.toLowerCase();
  let least = Math.max(1, Math.floor(typed.length / 3));
  let found: string[] = [];
  for (const each of known.slice(0, WORDS_MAX)) {
    if (each.length > LENGTH_MAX) continue;
    const far = distance(typed, each.toLowerCase());
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

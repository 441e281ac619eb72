/**
 * Tallies of several runs, added up.
 *
 * @module
 */

/** Two of one kind as one: numbers are added, and what is in them likewise. */
export function addTally(one: object, other: object): object {
  const sum: Record<string, unknown> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const old = sum[name];
    if (typeof value === "number") sum[name] = (typeof old === "number" ? old : 0) + value;
    else if (typeof value === "object" && value !== null) {
      sum[name] = addTally(typeof old === "object" && old !== null ? old : {}, value);
    } else sum[name] = value;
  }
  return sum;
}

/**
 * Names of the manual's pages.
 *
 * @module
 */

/** Pages with the section that each is in. */
export const MAN_SECTIONS = { vuswitch: 1, "vuswitch.toml": 5 } as const;

/** One of them. */
export type ManPage = keyof typeof MAN_SECTIONS;

/** Their names. */
export const MAN_PAGES: readonly ManPage[] = Object.keys(MAN_SECTIONS) as ManPage[];

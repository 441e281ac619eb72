/**
 * Loaded before the tests whose coverage is taken (`--preload`): cases that come from a seed are
 * always the same, so that what is covered does not depend on the day.
 *
 * @module
 */
import fc from "fast-check";

fc.configureGlobal({ seed: 11 });

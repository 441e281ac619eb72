/**
 * vuswitch: a vhost-user-net switch. Everything it does is in lib/; this is the way in.
 *
 * @module
 */
import { main } from "./lib/cli/app.ts";

if (import.meta.main) await main(Deno.args);

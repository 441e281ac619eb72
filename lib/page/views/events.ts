/**
 * The page of events: what happened lately, the newest first.
 *
 * @module
 */
import { EVENT_ROWS } from "../../control/event_rows.ts";
import type { SwitchEvent } from "../../control/events/store.ts";
import { moment, prose } from "../figures.ts";
import { type Html, markup } from "../html.ts";
import { column, type Contents, link, portLink, type Row, type Seen, table } from "../layout.ts";
import { numbersOf, pager } from "../paging.ts";

/** Events on one page. */
const ROWS_MAX = 100;
/** From what is bad to details. */
const LEVELS = ["error", "warn", "info", "debug"];

/** What an event is, for people who point at it. */
const MEANINGS: ReadonlyMap<string, string> = new Map(
  EVENT_ROWS.map((
    [event, , meaning],
  ) => [event, meaning.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1")]),
);

/** A table of events, in their order. @param none stands there without any */
export function eventTable(seen: Seen, events: readonly SwitchEvent[], none: string): Html {
  const names = new Set(seen.control.ports().map(({ name }) => name));
  const rows = events.map(({ id, ts, level, component, port, event, msg }): Row => ({
    key: id,
    cells: [
      moment(ts),
      markup`<span class="level ${level}">${level}</span>`,
      port !== null && names.has(port) ? portLink(seen, port) : port ?? component,
      markup`<span title="${MEANINGS.get(event) ?? "see vuswitch explain"}">${event}</span>`,
      prose(msg),
    ],
  }));
  const columns = [
    column("When (UTC)"),
    column("Level"),
    column("Who"),
    column("What"),
    column("In words", "wide"),
  ];
  return table("events", "Events, the newest first", columns, rows, none);
}

/** The page. */
export function eventsPage(seen: Seen): Contents {
  const { events, query } = seen;
  const port = query.get("port") ?? "";
  const level = query.get("level") ?? "";
  const wanted = (query.get("q") ?? "").toLowerCase();
  const atWorst = LEVELS.includes(level) ? LEVELS.slice(0, LEVELS.indexOf(level) + 1) : LEVELS;
  const all = events.list({ port: port === "" ? null : port, types: [] }).reverse();
  const found = all.filter((each) =>
    atWorst.includes(each.level) &&
    [each.component, each.event, each.msg].some((text) => text.toLowerCase().includes(wanted))
  );
  const { from, shown } = numbersOf(query, found, ROWS_MAX);
  const options = [markup`<option value="">all</option>`].concat(
    LEVELS.slice(0, 3).map((each) =>
      markup`<option value="${each}"${each === level ? markup` selected` : null}>${each}${
        each === "error" ? "" : " and worse"
      }</option>`
    ),
  );
  return {
    title: "Events",
    page: "events",
    main: markup`<form class="search" role="search" method="get" action="${
      link(seen, "events")
    }"><label>Find <input type="search" name="q" value="${wanted}" placeholder="word" data-search></label>
<label>Level <select name="level">${options}</select></label>
<label>Port <input name="port" value="${port}" size="12"></label><button>Find</button></form>
${eventTable(seen, shown, all.length === 0 ? "Nothing has happened." : "Nothing like that.")}${
      pager(seen, "events", { q: wanted, level, port }, from, ROWS_MAX, found.length)
    }`,
  };
}

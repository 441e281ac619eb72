/**
 * The first page: the switch as a whole, and all ports with their rates.
 *
 * @module
 */
import { type Verdict, verdictLately } from "../../control/verdict/judge.ts";
import type { ListenerStatus, PortStatus, SwitchStatus } from "../../control/types.ts";
import { prose, sparkline } from "../figures.ts";
import { bits, count, duration, percent, short } from "../numbers.ts";
import { dropsOf, type History, MINUTE, type Rates } from "../history.ts";
import { type Html, markup, type Piece } from "../html.ts";
import {
  type Column,
  column,
  type Contents,
  link,
  portLink,
  type Row,
  type Seen,
  table,
} from "../layout.ts";
import { numbersOf, pager } from "../paging.ts";
import { plots } from "../plots.ts";

/** Ports on one page. */
const ROWS_MAX = 100;

/** A port with its rates. */
interface Rated {
  readonly port: PortStatus;
  readonly rates: Rates;
  readonly drops: number;
}

/** What ports may be sorted by; a name stands in the query. Large numbers come first. */
const ORDERS: Readonly<Record<string, (one: Rated, other: Rated) => number>> = {
  name: (one, other) => one.port.name.localeCompare(other.port.name, "en", { numeric: true }),
  rx: (one, other) => other.rates.rxFrames - one.rates.rxFrames,
  tx: (one, other) => other.rates.txFrames - one.rates.txFrames,
  drops: (one, other) => other.rates.drops - one.rates.drops || other.drops - one.drops,
};

/** The VLANs of a port, for people. */
export function vlanText({ vlans }: PortStatus): string {
  if (vlans === null) return "–";
  if (vlans.access !== null) return String(vlans.access);
  return `trunk ${vlans.trunk}${vlans.native === null ? "" : ` native ${vlans.native}`}`;
}

/** How a verdict looks. */
const KINDS: Readonly<Record<Verdict["level"], string>> = {
  ...{ ok: "good", waiting: "idle", warning: "warn", fault: "bad" },
};

/** What is said of a port now: by what it is, and by what became of its frames lately. */
export function verdictOfPort({ history }: Seen, port: PortStatus): Verdict {
  return verdictLately(port, history.lately(port.name));
}

/** The state of a port: a word or a text, and a sign that says the same. */
export function stateOf(port: PortStatus, { level }: Verdict, text: Piece): Html {
  const kind = port.admin === "down" ? "off" : KINDS[level];
  return markup`<span class="state ${kind}">${text}</span>`;
}

function tile(name: string, value: string, more: string): Html {
  return markup`<div class="tile"><dt>${name}</dt><dd><b>${value}</b> <span>${more}</span></dd></div>`;
}

function tiles(status: SwitchStatus, history: History): Html {
  const { ports, fdb } = status;
  const up = ports.filter((port) => port.link === "up" && port.admin === "up").length;
  const { rxFrames, rxBytes, drops } = history.rates(null);
  const busy = history.work.map((work) => work.busy ?? 0);
  const trouble =
    ports.filter(({ verdictLevel }) => verdictLevel !== "ok" && verdictLevel !== "waiting").length;
  return markup`<dl class="tiles" id="tiles" data-live>${[
    tile("Ports up", `${up} of ${ports.length}`, trouble === 0 ? "" : `${trouble} to look at`),
    tile("From guests", `${short(rxFrames)}/s`, bits(rxBytes)),
    tile("Dropped", `${short(drops)}/s`, ""),
    tile("Data plane busy", percent(Math.max(0, ...busy)), ""),
    tile("Addresses", count(fdb["entries"] ?? 0), `of ${count(status.fdbEntriesMax)}`),
    tile("Up for", duration(status.uptimeSeconds), ""),
  ]}</dl>`;
}

function row(seen: Seen, { port, rates, drops }: Rated): Row {
  const { name, link, admin } = port;
  const verdict = verdictOfPort(seen, port);
  const said = [prose(verdict.text), verdict.fix && markup`: ${prose(verdict.fix)}`];
  const lately = (rate: "rxFrames" | "txFrames"): number[] =>
    seen.history.newest(name, rate, MINUTE);
  const dropping = rates.drops > 0
    ? markup`<span class="now">${short(rates.drops)}/s</span> `
    : null;
  return {
    key: name,
    cells: [
      portLink(seen, name),
      stateOf(port, verdict, admin === "down" ? "off" : link),
      vlanText(port),
      markup`${short(rates.rxFrames)}/s <small>${bits(rates.rxBytes)}</small>`,
      markup`${short(rates.txFrames)}/s <small>${bits(rates.txBytes)}</small>`,
      sparkline(lately("rxFrames"), lately("txFrames")),
      markup`${dropping}${count(drops)}`,
      markup`<span class="said ${KINDS[verdict.level]}">${said}</span>`,
    ],
  };
}

function heading(seen: Seen, label: string, order: string, now: string): Column {
  const { query } = seen;
  const to = link(seen, "", { sort: order === "name" ? "" : order, q: query.get("q") ?? "" });
  return {
    label,
    title: markup`<a href="${to}">${label}</a>`,
    ...(order === "name" ? {} : { kind: "number" as const }),
    ...(order === now ? { sorted: order === "name" ? "ascending" : "descending" } as const : {}),
  };
}

function portTable(seen: Seen, all: readonly PortStatus[]): Html {
  const { query, history } = seen;
  const wanted = (query.get("q") ?? "").toLowerCase();
  const given = query.get("sort") ?? "name";
  const now = Object.hasOwn(ORDERS, given) ? given : "name";
  const found = all
    .filter(({ name, verdict, link, peer }) =>
      [name, verdict, link, peer?.command ?? ""].some((text) => text.toLowerCase().includes(wanted))
    )
    .map((port): Rated => ({
      ...{ port, rates: history.rates(port.name), drops: dropsOf(port.counters) },
    }))
    .sort(ORDERS[now]);
  const { from, shown } = numbersOf(query, found, ROWS_MAX);
  const columns = [
    heading(seen, "Port", "name", now),
    column("Link"),
    column("VLAN"),
    heading(seen, "From guest", "rx", now),
    heading(seen, "To guest", "tx", now),
    column("Last minute"),
    heading(seen, "Drops", "drops", now),
    column("What it does", "wide"),
  ];
  const none = all.length === 0
    ? markup`There are no ports: <code>vuswitch port add vm1</code>`
    : `No port of ${all.length} has “${wanted}” in its name, state or process`;
  const rows = shown.map((each) => row(seen, each));
  const more = { q: wanted, sort: now === "name" ? "" : now };
  return markup`<form class="search" role="search" method="get" action="${
    link(seen, "")
  }"><label>Find <input type="search" name="q" value="${wanted}" placeholder="port, process, state" data-search></label>${
    now === "name" ? null : markup`<input type="hidden" name="sort" value="${now}">`
  }<button>Find</button></form>
${table("ports", "Ports", columns, rows, none)}${
    pager(seen, "", more, from, ROWS_MAX, found.length)
  }`;
}

function listenerTable(listeners: readonly ListenerStatus[]): Html | null {
  if (listeners.length === 0) return null;
  const rows = listeners.map(({ name, socket, multi, ports, admin, problems }): Row => ({
    key: name,
    cells: [
      name,
      socket,
      `${ports.length} of ${multi}`,
      admin === "down" ? "off" : problems[0]?.text ?? "takes front-ends",
    ],
  }));
  const columns = [
    column("Name"),
    column("Socket"),
    column("Front-ends", "number"),
    column("State"),
  ];
  return table("listeners", "Sockets for many front-ends", columns, rows, null);
}

/** The page. */
export function portsPage(seen: Seen): Contents {
  const status = seen.control.status();
  return {
    title: "Ports",
    page: "",
    main: markup`${tiles(status, seen.history)}
${plots(seen.history, null)}
${portTable(seen, status.ports)}
${listenerTable(status.listeners)}`,
  };
}

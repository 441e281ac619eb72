/**
 * The page of addresses: the forwarding database.
 *
 * @module
 */
import { count, duration } from "../numbers.ts";
import { markup } from "../html.ts";
import { column, type Contents, link, portLink, type Row, type Seen, table } from "../layout.ts";
import { numbersOf, pager } from "../paging.ts";

/** Addresses on one page. */
const ROWS_MAX = 200;

/** The page. */
export function addressesPage(seen: Seen): Contents {
  const { control, query } = seen;
  const port = query.get("port") ?? "";
  const wanted = (query.get("q") ?? "").toLowerCase();
  const all = control.fdb();
  const found = all.filter((entry) =>
    (port === "" || entry.port === port) &&
    [entry.mac, entry.port, String(entry.vlan)].some((text) => text.toLowerCase().includes(wanted))
  );
  const { from, shown } = numbersOf(query, found, ROWS_MAX);
  const rows = shown.map(({ mac, port, vlan, state, ageSeconds }): Row => ({
    key: `${mac} ${vlan} ${port}`,
    cells: [
      markup`<code>${mac}</code>`,
      portLink(seen, port),
      vlan === 0 ? "–" : vlan,
      state,
      state === "static" ? "–" : duration(ageSeconds),
    ],
  }));
  const columns = [
    column("Address"),
    column("Port"),
    column("VLAN", "number"),
    column("How"),
    column("Last seen before", "number"),
  ];
  const none = all.length === 0
    ? "No address is known: nobody has sent a frame."
    : "None of these.";
  return {
    title: "Addresses",
    page: "addresses",
    main: markup`<form class="search" role="search" method="get" action="${
      link(seen, "addresses")
    }"><label>Find <input type="search" name="q" value="${wanted}" placeholder="address, port, VLAN" data-search></label>${
      port === "" ? null : markup`<label>Port <input name="port" value="${port}" size="12"></label>`
    }<button>Find</button></form>
<p id="count" data-live>${count(found.length)} of ${count(all.length)} addresses.</p>
${table("addresses", "Addresses and where they are", columns, rows, none)}${
      pager(seen, "addresses", { q: wanted, port }, from, ROWS_MAX, found.length)
    }`,
  };
}

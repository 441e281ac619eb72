/**
 * The page of one port: what it does, its rates, what its counters mean, its rings, and what happened.
 *
 * @module
 */
import { portFacts } from "../../cli/views.ts";
import { PORT_ROWS } from "../../switch/counter_rows.ts";
import type { PortStatus, VringStatus } from "../../control/types.ts";
import { prose } from "../figures.ts";
import { count, short } from "../numbers.ts";
import { isDrop } from "../history.ts";
import { type Html, markup } from "../html.ts";
import { column, type Contents, link, portLink, type Row, type Seen, table } from "../layout.ts";
import { plots } from "../plots.ts";
import { captureForm } from "./capture.ts";
import { eventTable } from "./events.ts";
import { stateOf, verdictOfPort } from "./ports.ts";

/** Events on the page of a port. */
const EVENTS = 10;

function counterTable(seen: Seen, port: PortStatus): Html {
  const growth = seen.history.growth(port.name);
  const rows = PORT_ROWS.flatMap(([name, unit, meaning]): Row[] => {
    const value = port.counters[name] ?? 0;
    if (value === 0) return [];
    const grown = growth[name] ?? 0;
    const word = isDrop(name) ? markup`<span class="problem">${name}</span>` : name;
    return [{
      key: name,
      cells: [word, count(value), grown === 0 ? "–" : `${short(grown)}/s`, unit, prose(meaning)],
    }];
  });
  const columns = [
    column("Counter"),
    column("Count", "number"),
    column("Now", "number"),
    column("Unit"),
    column("What it counts", "wide"),
  ];
  return table("counters", "Counters that are not 0", columns, rows, "It has counted nothing yet.");
}

function vringTable(vrings: readonly VringStatus[]): Html {
  const rows = vrings.map((vring): Row => {
    const { index, direction, state, size, packed, lastAvail, lastUsed, counters, error } = vring;
    const text = error === null ? state : `${state}: ${error}`;
    return {
      key: String(index),
      cells: [
        index,
        direction,
        markup`<span class="state ${
          state === "running" ? "good" : error ? "bad" : "idle"
        }">${text}</span>`,
        `${packed ? "packed" : "split"}/${size}`,
        count(lastAvail),
        count(lastUsed),
        count(counters["frames"] ?? 0),
        count(counters["kicks"] ?? 0),
        count(counters["calls"] ?? 0),
      ],
    };
  });
  const columns = [
    column("Ring"),
    column("Direction"),
    column("State"),
    column("Kind"),
    ...["Last available", "Last used", "Frames", "Kicks", "Calls"].map((title) =>
      column(title, "number")
    ),
  ];
  return table("vrings", "Virtqueues", columns, rows, "None: no front-end is connected.");
}

function factList(port: PortStatus): Html {
  const rows = portFacts(port).filter(([name]) => !["port", "verdict", "drops"].includes(name));
  return markup`<dl class="facts" id="facts" data-live>${
    rows.map(([name, text]) => markup`<div><dt>${name}</dt><dd>${prose(text)}</dd></div>`)
  }</dl>`;
}

/** What it does, and what is wrong, each with what helps. */
function verdict(seen: Seen, port: PortStatus): Html {
  const said = verdictOfPort(seen, port);
  const problems = port.problems.map(({ code, text, hint }) =>
    markup`<li><b>${code}</b>: ${prose(text)}${
      hint === null ? null : markup` <span class="hint">${prose(hint)}</span>`
    }</li>`
  );
  return markup`<div id="verdict" data-live><p class="verdict">${
    stateOf(port, said, prose(said.text))
  }</p>${said.fix === null ? null : markup`<p class="hint">${prose(said.fix)}</p>`}${
    problems.length === 0 ? null : markup`<ul class="problems">${problems}</ul>`
  }</div>`;
}

/** The page. @throws {ControlError} there is no such port */
export function portPage(seen: Seen, name: string): Contents {
  const { control, events, history } = seen;
  const port = control.port(name);
  const happened = events.list({ port: name, types: [] }, EVENTS).reverse();
  const addresses = control.fdb().filter((entry) => entry.port === name);
  const { linkedTo } = port;
  return {
    title: `Port ${name}`,
    page: "",
    main: markup`${verdict(seen, port)}
${linkedTo === null ? null : markup`<p>Linked with ${portLink(seen, linkedTo)}.</p>`}
${plots(history, name)}
<section><h2>Drops and counters</h2>
${counterTable(seen, port)}</section>
<section><h2>Virtqueues</h2>
${vringTable(control.vrings(name))}</section>
<section><h2>Facts</h2>
${factList(port)}
<p><a href="${link(seen, "addresses", { port: name })}">${count(addresses.length)} ${
      addresses.length === 1 ? "address" : "addresses"
    }</a> behind it.</p></section>
<section><h2>What happened</h2>
${eventTable(seen, happened, "Nothing that is kept.")}
<p><a href="${link(seen, "events", { port: name })}">All its events</a></p></section>
<section><h2>Capture</h2>
${captureForm(seen, name)}</section>`,
  };
}

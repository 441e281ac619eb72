/**
 * The web page in a real browser: without script, clicked through with a pointer, walked through with
 * keys, light and dark, wide and narrow. It asks for nothing of others, and complains of nothing.
 * VUSWITCH_PICTURES names a folder for pictures of it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import { PcapngReader } from "../../lib/cli/pcapng_reader.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { Browser, CHROMIUM_MISSING, type Page } from "../harness/browser.ts";
import { peerTest } from "../harness/peers.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { introduce, macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const PAGES = ["Ports", "Drops", "Addresses", "Events", "Workers", "Capture"];

/** A port's socket whose name would be markup, if anything that somebody chose was. */
const ODD = `"'><img src=x onerror=alert(1)>.sock`;

/** Frames between two guests, and some that are dropped, until it is told to end. */
function traffic(one: NetGuest, other: NetGuest): () => void {
  let number = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < 16; i++) one.send(numberedFrame(macOf(2), macOf(1), number++, 200));
    other.send(numberedFrame("01:80:c2:00:00:0e", macOf(2), number, 60));
    for (const guest of [one, other]) {
      guest.receive();
      guest.reapTransmit();
    }
  }, 20);
  return () => clearInterval(timer);
}

async function title(page: Page): Promise<string> {
  return await page.text("h1");
}

async function withoutScript(browser: Browser, url: string): Promise<void> {
  const page = await browser.page();
  await page.call("Emulation.setScriptExecutionDisabled", { value: true });
  await page.go(url);
  assert(await page.value("document.getElementById('live').hidden"));
  assert.match(await page.text("#ports"), /vm1[^]*up[^]*vm2/);
  assert.match(await page.text("#ports [data-key=vm3]"), /waiting for a front-end/);
  assert.equal(await page.value("document.querySelectorAll('.plot svg path.line').length"), 5);
  for (
    const [path, id, says] of [
      ["drops", "#drops", /rxDroppedReserved[^]*vm2[^]*LLDP/],
      ["addresses", "#addresses", /52:54:00:00:01:01[^]*vm1/],
      ["events", "#events", /link-up[^]*listening/],
      ["workers", "#time0", /busy[^]*asleep/],
      ["ports/vm1", "#counters", /rxFrames[^]*frames taken from the guest/],
      ["ports/vm1", "#vrings", /to guest[^]*running/],
      ["ports/odd", "#facts", new RegExp(`${ODD.replaceAll(/[()]/g, "\\$&")} `)],
    ] as const
  ) {
    await page.go(url + path);
    assert.match(await page.text(id), says, path);
  }
  await page.go(`${url}?q=vm2`);
  assert.equal(await page.value("document.querySelectorAll('#ports tbody tr').length"), 1);
}

/** A plot tells the moment that an act chooses; before its first samples came it has none. */
async function tellsMoment(page: Page, act: () => Promise<void>): Promise<void> {
  await until("a moment is told", async () => {
    await act();
    return await page.value(`Boolean(document.querySelector(".title").dataset.moment)`);
  });
}

async function clickedThrough(page: Page, url: string): Promise<void> {
  await page.go(url);
  await page.until("plots are drawn", "document.querySelectorAll('.plot canvas').length === 3");
  const rate = `parseFloat(document.querySelector("[data-rate=rxFrames]").textContent)`;
  await page.until("frames are seen", `${rate} > 0`);
  const drawn = `document.querySelector("#ports [data-key=vm1] path.rx").getAttribute("d")`;
  const before = await page.value(drawn);
  await page.until("the page goes on", `${drawn} !== ${JSON.stringify(before)}`);
  await tellsMoment(page, () => page.hover(".plot .u-over"));
  for (const [i, name] of PAGES.entries()) {
    await page.leads(() => page.click(`nav [data-digit="${i + 1}"]`));
    assert.equal(await title(page), name);
    assert.equal(await page.text("nav [aria-current=page]"), name);
  }
  await page.go(`${url}drops`);
  await page.click("summary");
  await page.until("reasons are shown", "document.querySelector('details').open");
  const lately = `document.querySelector("#drops .number:nth-of-type(2)").textContent`;
  const count = await page.value(lately);
  await page.until("drops are counted", `${lately} !== ${JSON.stringify(count)}`);
  assert(await page.value("document.querySelector('details').open"), "what was opened stays open");
  await page.go(url);
  await page.leads(() => page.click('#ports [data-key="vm1"] a'));
  assert.equal(await title(page), "Port vm1");
  await page.until("its plots", "document.querySelectorAll('.plot canvas').length === 3");
}

async function walkedThrough(page: Page, url: string): Promise<void> {
  await page.go(url);
  await page.until("it listens", "!document.getElementById('live').hidden");
  const focused = (): Promise<string> => page.value("document.activeElement.textContent.trim()");
  await page.press("Tab");
  assert.equal(await focused(), "To the contents");
  assert(await page.value("document.activeElement.getBoundingClientRect().left >= 0"));
  await page.press("Tab");
  assert.equal(await focused(), "vuswitch");
  const outline = `getComputedStyle(document.activeElement).outlineWidth`;
  assert.equal(await page.value(outline), "3px");
  await page.press("/");
  await page.type("vm2");
  await page.leads(() => page.press("Enter"));
  assert.equal(await page.value("document.querySelectorAll('#ports tbody tr').length"), 1);
  await page.press("j");
  assert.equal(await focused(), "vm2");
  await page.leads(() => page.press("Enter"));
  assert.equal(await title(page), "Port vm2");
  await page.press("?");
  assert(await page.value("document.getElementById('help').open"));
  await page.press("Escape");
  assert(!await page.value("document.getElementById('help').open"));
  await page.until("a plot has values", `document.querySelector(".plot canvas") !== null`);
  await page.value("document.querySelector('.drawing').focus()");
  await tellsMoment(page, () => page.press("Home"));
  await page.press("p");
  assert.equal(await page.text("#hold"), "Go on");
  await page.leads(() => page.press("4"));
  assert.equal(await title(page), "Events");
}

async function downloaded(browser: Browser, page: Page, url: string): Promise<void> {
  await page.go(`${url}capture?port=vm1`);
  await page.value(`document.querySelector("[name=count]").value = 20`);
  await page.click("form.capture button");
  const file = `${browser.downloads}/vuswitch-vm1.pcapng`;
  await until("the capture is there", () => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
  const reader = new PcapngReader();
  assert.equal(reader.push(Deno.readFileSync(file)).length, 20);
}

/** Those pages that others look like, and with a folder for pictures all of them. */
async function lookedAt(page: Page, url: string, folder: string, all: boolean): Promise<void> {
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 360]] as const) {
    await page.look(width, 900, scheme);
    for (const path of ["", "ports/vm1", "drops", "addresses", "events", "workers", "capture"]) {
      if (!all && scheme === "dark" && path !== "") continue;
      await page.go(url + path);
      const wider = await page.value("document.documentElement.scrollWidth - innerWidth");
      assert(Number(wider) <= 0, `${path} is ${wider} wider than ${width}`);
      if (path === "") {
        await page.until("plots", "document.querySelector('.plot canvas') !== null");
        const ground = "getComputedStyle(document.documentElement).backgroundColor";
        const expected = scheme === "light" ? "rgb(245, 247, 250)" : "rgb(15, 20, 27)";
        assert.equal(await page.value(ground), expected);
      }
      if (!all && path !== "") continue;
      const file = `${folder}/${path.replace("/", "-") || "index"}-${scheme}-${width}.png`;
      await page.picture(file);
      assert(Deno.statSync(file).size > 10_000, `${file} is nearly empty`);
    }
  }
}

peerTest("the web page works in a browser", CHROMIUM_MISSING, async () => {
  await using bed = await Bed.make(3, "--page", "127.0.0.1:0", "--sandbox");
  const path = `${bed.folder}/${ODD}`;
  await callSwitch(bed.process.ctl, "POST", "/v1/ports", { name: "odd", path });
  const one = await bed.guest(1);
  const other = await bed.guest(2);
  await introduce(one, other);
  const asked = await vuswitch("page", "--ctl", bed.process.ctl);
  const url = asked.stdout.trim();
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
  assert(!bed.process.log.includes(url), "the log does not tell the key");
  const end = traffic(one, other);
  try {
    await using browser = await Browser.start();
    const page = await browser.page();
    await page.look(1280, 900, "light");
    await until("something was dropped, and seen by the page", async () => {
      return /rxDroppedReserved/.test(await (await fetch(`${url}drops`)).text());
    });
    await withoutScript(browser, url);
    // A page that nobody can see does not ask.
    await page.call("Page.bringToFront");
    await clickedThrough(page, url);
    await walkedThrough(page, url);
    await downloaded(browser, page, url);
    const folder = Deno.env.get("VUSWITCH_PICTURES");
    await lookedAt(page, url, folder ?? bed.folder, folder !== undefined);
    assert.deepEqual(page.complaints, []);
    const origin = new URL(url).origin;
    assert.deepEqual(page.requests.filter((each) => !each.startsWith(`${origin}/`)), []);
    assert(page.requests.length > 50);
  } finally {
    end();
  }
});

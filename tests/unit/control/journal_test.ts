/** Events in systemd's journal: fields to search by, which no tenant's text can forge. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  isJournal,
  journalTakes,
  journalText,
  journalWriter,
} from "../../../lib/control/journal.ts";
import { createLogger } from "../../../lib/control/log.ts";
import { NotifySocket } from "../../harness/notify_socket.ts";
import { TempFolder } from "../../harness/temp.ts";

function fieldsOf(text: string): Map<string, string> {
  return new Map(
    text.split("\n").filter(Boolean).map((line) => {
      const [, name = "", value = ""] = /^([A-Z][A-Z0-9_]{0,63})=(.*)$/.exec(line) ?? [];
      assert(name !== "", line);
      return [name, value];
    }),
  );
}

Deno.test("an event has its fields in the journal", () => {
  using folder = new TempFolder();
  using journal = new NotifySocket(folder.file("journal"));
  const logger = createLogger("info", "journald", journalWriter(folder.file("journal")));
  logger.warn("port vm1", "closed", "closed: bad-size", {
    reason: "bad-size",
    queuePairs: 2,
    x: null,
  });
  logger.info("switch", "metrics", "metrics at http://127.0.0.1:1/metrics");
  logger.debug("switch", "metrics", "not shown");
  const [closed, metrics, ...more] = journal.take().map(fieldsOf);
  assert.deepEqual(more, []);
  assert.deepEqual(Object.fromEntries(closed ?? []), {
    MESSAGE: "port vm1: closed: bad-size",
    PRIORITY: "4",
    SYSLOG_IDENTIFIER: "vuswitch",
    VUSWITCH_EVENT: "closed",
    VUSWITCH_COMPONENT: "port vm1",
    VUSWITCH_PORT: "vm1",
    VUSWITCH_REASON: "bad-size",
    VUSWITCH_QUEUE_PAIRS: "2",
  });
  assert.equal(metrics?.get("PRIORITY"), "6");
  assert.equal(metrics?.has("VUSWITCH_PORT"), false);
});

Deno.test("whatever stands in an event, it makes no field of its own", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(text, text, fc.dictionary(text, text), (message, component, more) => {
    const fields = fieldsOf(
      journalText("info", component, "e", message, { ...more, event: "x\nA=b" }),
    );
    assert.equal(fields.get("PRIORITY"), "6");
    assert.equal(fields.get("VUSWITCH_EVENT"), "e");
    const known = /^(MESSAGE|PRIORITY|SYSLOG_IDENTIFIER|VUSWITCH_[A-Z0-9_]*)$/;
    for (const name of fields.keys()) assert.match(name, known);
  }));
});

Deno.test("a journal that takes nothing loses lines, which the next one says", () => {
  using folder = new TempFolder();
  const path = folder.file("journal");
  const logger = createLogger("info", "journald", journalWriter(path));
  assert.equal(journalTakes(path), false);
  logger.info("switch", "a", "lost");
  logger.info("switch", "a", "lost");
  using journal = new NotifySocket(path);
  assert.equal(journalTakes(path), true);
  logger.info("switch", "a", "there");
  const [first] = journal.take().map(fieldsOf);
  assert.equal(first?.get("VUSWITCH_LOST"), "2");
});

Deno.test("stderr is the journal's only if it is the very stream that it opened", () => {
  const { dev, ino } = Deno.statSync("/proc/self/fd/2");
  assert.equal(isJournal(`${dev}:${ino}`), true);
  assert.equal(isJournal(`${dev}:${(ino ?? 0) + 1}`), false);
  assert.equal(isJournal("", null), false);
  assert.equal(isJournal(undefined, null), false);
  assert.equal(isJournal("1:2", "1:2"), true);
});

/**
 * `protocol` in JSON. Its type is that of the inventory: a field more or less does not compile.
 *
 * @module
 */
import type { Entry } from "../../vhost/inventory/inventory.ts";
import { choice, list, maybe, record, type Schema, text, whole } from "./builder.ts";

const ANSWER = record("what comes back, and how front-ends read it", {
  payload: text("what it is"),
  bytes: maybe("as many as were asked for", whole("its bytes when all went well")),
  fds: whole("descriptors that come along", 0, 1) as Schema<0 | 1>,
  failure: text("how it says no"),
  readers: text("who reads what"),
});

/** The entries of `protocol`. */
export const PROTOCOL: Schema<readonly Entry[]> = list(
  "protocol: messages and feature bits",
  record("a message or feature bit", {
    kind: choice("what it is", {
      "front-end message": "",
      "back-end message": "",
      "protocol feature": "",
      "virtio feature": "",
    }),
    number: whole("a message's id or a bit"),
    name: text("as in the headers of Linux and QEMU", /^[A-Z][A-Z0-9_]+$/),
    status: choice("whether it is there", {
      "implemented": "at every port",
      "option": "at ports that ask for it",
      "not-offered": "at none",
    }),
    option: maybe("none is needed", text("the port option that offers it, such as offer=iommu")),
    requires: maybe("none", text("the feature without which it is refused")),
    reason: maybe("it is offered", text("why it is not offered, or not by default")),
    note: maybe("nothing", text("what is done on purpose and may surprise")),
    answer: maybe("not a front-end message that is served", ANSWER),
    tests: list(
      "tests that show it at work",
      record("a test", { file: text("its file"), name: text("how its name starts") }),
    ),
  }),
);

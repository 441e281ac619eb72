/**
 * What the header of a message and the table of requests say of it.
 *
 * @module
 */
import type { Refusal } from "../reasons.ts";
import {
  type Message,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
} from "../wire/message.ts";
import { REQUESTS } from "./table.ts";

/** What is wrong with a message before its handler looks at it, or null. */
export function checkMessage(message: Message): Refusal | null {
  if ((message.flags & VHOST_USER_VERSION_MASK) !== VHOST_USER_VERSION) {
    return { code: "bad-version", detail: `flags 0x${message.flags.toString(16)}` };
  }
  if ((message.flags & VHOST_USER_REPLY_MASK) !== 0) {
    return { code: "unexpected-reply", detail: `request ${message.request}` };
  }
  const request = REQUESTS.get(message.request);
  if (!request?.handle) return null;
  const bytes = message.payload.byteLength;
  if (bytes < request.bytesMin || bytes > request.bytesMax) {
    return { code: "bad-size", detail: `${request.name} with ${bytes} bytes` };
  }
  if (message.fds.length > request.fdsMax) {
    return { code: "fd-count", detail: `${request.name} with ${message.fds.length} descriptors` };
  }
  return null;
}

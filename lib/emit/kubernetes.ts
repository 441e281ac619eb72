/**
 * A pod of Kubernetes at a port: its process is the front-end, DPDK's virtio-user as testpmd has it,
 * and finds the socket in the folder of the node, which is mounted whole, so that a socket that is
 * made anew is seen.
 *
 * @module
 */
import { dirname } from "node:path";
import { ControlError } from "../control/types.ts";
import {
  asFile,
  type AttachTo,
  type AttachWords,
  type EmittedAttachment,
  readAttachment,
} from "./attachment.ts";
import { TESTPMD_MEMORY, testpmdLine } from "./testpmd.ts";

/** As typed. */
export interface PodWords extends AttachWords {
  /** The container's image. */
  readonly image?: string;
}

const IMAGE_OTHERWISE = "dpdk:latest";
/** What a name of an image has, its registry, tag and digest. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}$/;
/** What testpmd needs beside its buffers, MiB. */
const BESIDE_MIB = 128;

/** A name as pods have them (RFC 1123). */
function podName(port: string): string {
  const name = port.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return `vuswitch-${name}`;
}

/** A text in quotes is YAML as it is JSON. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** The manifest. @throws {ControlError} naming the fix */
export function emitKubernetes(port: AttachTo, words: PodWords, host: string): EmittedAttachment {
  const attachment = readAttachment(
    port,
    { ...words, memory: words.memory ?? TESTPMD_MEMORY },
    host,
  );
  const { image = IMAGE_OTHERWISE } = words;
  if (!IMAGE.test(image)) {
    throw new ControlError("invalid", `image ${JSON.stringify(image)} must be an image's name`);
  }
  const folder = quoted(dirname(attachment.socket));
  return asFile(attachment, [
    "apiVersion: v1",
    "kind: Pod",
    "metadata:",
    `  name: ${quoted(podName(attachment.port))}`,
    "spec:",
    "  restartPolicy: Always",
    "  containers:",
    "    - name: testpmd",
    `      image: ${quoted(image)}`,
    "      stdin: true",
    "      tty: true",
    '      command: ["dpdk-testpmd"]',
    "      args:",
    ...testpmdLine(attachment).map((word) => `        - ${quoted(word)}`),
    "      resources:",
    "        limits:",
    `          memory: ${attachment.memoryMib + BESIDE_MIB}Mi`,
    "      volumeMounts:",
    "        - name: sockets",
    `          mountPath: ${folder}`,
    "  volumes:",
    "    - name: sockets",
    "      hostPath:",
    `        path: ${folder}`,
    "        type: Directory",
  ]);
}

/**
 * Messages of the back-end, a row each (vhost-user.rst «Back-end message types»): the feature without
 * which it is not sent and the tests that show it, or why it never is.
 *
 * @module
 */
import type { FeatureName } from "../features/rows.ts";
import type * as id from "../wire/back_end_message.ts";
import * as by from "./proofs.ts";

/** Names of wire/back_end_message.ts. */
export type BackEndName = Extract<keyof typeof id, `VHOST_USER_BACKEND_${string}`>;

/** One row. */
export type BackEndRow =
  | { readonly needs: FeatureName; readonly tests: readonly by.Proof[] }
  | { readonly why: string };

/** All of them, by name. */
export const BACK_END_ROWS: Readonly<Record<BackEndName, BackEndRow>> = {
  VHOST_USER_BACKEND_IOTLB_MSG: { needs: "VIRTIO_F_ACCESS_PLATFORM", tests: by.TRANSLATED },
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: {
    needs: "VHOST_USER_PROTOCOL_F_CONFIG",
    tests: [by.LINK, [by.CONFIGURED, "config: a port taken down is told, read as down"]],
  },
  VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG: { why: "belongs to HOST_NOTIFIER" },
  VHOST_USER_BACKEND_VRING_CALL: {
    needs: "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS",
    tests: [by.CALLS],
  },
  VHOST_USER_BACKEND_VRING_ERR: {
    needs: "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS",
    tests: [[by.CONFIGURED, "in-band: a driver that breaks its ring is told"]],
  },
  VHOST_USER_BACKEND_SHARED_OBJECT_ADD: { why: "belongs to SHARED_OBJECT" },
  VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE: { why: "belongs to SHARED_OBJECT" },
  VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP: { why: "belongs to SHARED_OBJECT" },
  VHOST_USER_BACKEND_SHMEM_MAP: { why: "belongs to SHMEM" },
  VHOST_USER_BACKEND_SHMEM_UNMAP: { why: "belongs to SHMEM" },
};

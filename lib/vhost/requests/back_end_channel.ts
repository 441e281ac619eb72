/**
 * The request that brings the back-end channel (vhost-user.rst «VHOST_USER_SET_BACKEND_REQ_FD»).
 *
 * @module
 */
import type { Device } from "../device.ts";
import { callInBand } from "../device/in_band.ts";
import { type Call, DONE, ends, type Result } from "./result.ts";

/**
 * SET_BACKEND_REQ_FD: a socket, in place of an earlier one. In-band calls may have been lost with
 * that one, so each ring is called once.
 */
export function setBackendReqFd(device: Device, _: object, { fds }: Call): Result {
  const [fd] = fds;
  if (fd === undefined) return ends("fd-count", "SET_BACKEND_REQ_FD without descriptor");
  if (device.host.fdKind(fd) !== "socket") {
    device.closeFds(fds);
    return ends("not-socket", "the back-end channel is no unix socket of the front-end's");
  }
  device.host.setBackEndChannel(fd);
  for (const index of device.vrings.keys()) callInBand(device, index);
  return DONE;
}

/**
 * libc through Deno FFI: the only folder that opens a library or touches a pointer.
 *
 * @module
 */
export * from "./abi.ts";
export * from "./caller.ts";
export * from "./close_thread.ts";
export * from "./confine.ts";
export * from "./datagram.ts";
export * from "./errno.ts";
export * from "./event.ts";
export * from "./fd.ts";
export * from "./frame_socket.ts";
export * from "./guard.ts";
export * from "./memory.ts";
export * from "./reservation.ts";
export * from "./network_device.ts";
export * from "./socket.ts";
export * from "./tap.ts";
export * from "./thread.ts";

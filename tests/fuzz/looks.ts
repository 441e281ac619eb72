/**
 * Lets something happen between any two looks of the switch at guest memory: a guest has its own
 * processors, and nothing that was read once needs to be there when it is read again.
 *
 * @module
 */
import type { Virtqueue } from "../../lib/virtio/virtqueue.ts";
import { windowView } from "../../lib/virtio/memory/window.ts";

/** What stands for an array of a queue, and that array. */
const behind = new WeakMap<object, Int32Array | Uint16Array>();

/** An array whose every element read is announced. */
function watched<T extends Int32Array | Uint16Array>(array: T, look: () => void): T {
  const proxy = new Proxy(array, {
    get: (target, key) => {
      look();
      return Reflect.get(target, key, target);
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
  behind.set(proxy, array);
  return proxy;
}

/** The view of a window whose every read is announced. */
function watchedView(view: DataView, look: () => void): DataView {
  const watching = new DataView(view.buffer, view.byteOffset, view.byteLength);
  const after =
    <T>(read: (at: number, little?: boolean) => T) => (at: number, little?: boolean): T => {
      look();
      return read(at, little);
    };
  watching.getUint8 = after((at) => view.getUint8(at));
  watching.getUint16 = after((at, little) => view.getUint16(at, little));
  watching.getInt32 = after((at, little) => view.getInt32(at, little));
  watching.getBigUint64 = after((at, little) => view.getBigUint64(at, little));
  return watching;
}

/** Fields of either kind of queue that are arrays over guest memory. */
const FIELDS = [
  ...["desc", "avail", "used", "usedRing"],
  ...["desc16", "driverEvent", "deviceEvent"],
];

/**
 * Runs something with `look` called before each of its looks at these queues, or through this
 * window. Slow: for the queues of one guest, for a moment.
 */
export function betweenLooks(
  queues: readonly Virtqueue[],
  window: number,
  look: () => void,
  run: () => void,
): void {
  const undo: (() => void)[] = [];
  const put = (object: object, key: string | number, value: unknown): void => {
    const old = Reflect.get(object, key);
    undo.push(() => Reflect.set(object, key, old));
    Reflect.set(object, key, value);
  };
  for (const queue of queues) {
    for (const field of FIELDS) {
      const array = Reflect.get(queue, field);
      if (!array) continue;
      const watching = watched(array, look);
      // A split queue reads heads where they are, or from a copy of its own.
      if (field === "avail" && Reflect.get(queue, "heads") === array) put(queue, "heads", watching);
      put(queue, field, watching);
    }
  }
  const { load, store } = Atomics;
  put(Atomics, "load", (array: Int32Array, index: number) => {
    look();
    return load(behind.get(array) ?? array, index);
  });
  put(
    Atomics,
    "store",
    (array: Int32Array, index: number, value: number) =>
      store(behind.get(array) ?? array, index, value),
  );
  const view = windowView[window];
  if (view) put(windowView, window, watchedView(view, look));
  try {
    run();
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/**
 * An answer that does not end: its body goes out piece by piece, as it comes, until it ends or the
 * other side does. Nothing is kept for a reader that is slow: the next piece is asked for when the
 * one before it was taken.
 *
 * @module
 */

/** The content of captures. */
export const PCAPNG = "application/x-pcapng";

/** Whether an answer is one of these. */
export function isStream(response: Response): boolean {
  const type = response.headers.get("content-type") ?? "";
  return type.startsWith("text/event-stream") || type === PCAPNG;
}

/** Whether it comes to an end of its own once its request's signal says that somebody has enough. */
export function endsBySignal(response: Response): boolean {
  return response.headers.get("content-type") === PCAPNG;
}

/** Resolves when the other side has gone, or says something: nothing more is to be said here. */
async function untilGone(connection: Pick<Deno.Conn, "read">): Promise<void> {
  await connection.read(new Uint8Array(1)).catch(() => null);
}

/**
 * Sends a head, and a body.
 * @param write sends a piece, and rejects if it is not taken in time
 * @param enough called when the other side has gone, or has said that it is done; null: nothing more
 * is sent then
 */
export async function sendStream(
  connection: Pick<Deno.Conn, "read">,
  head: Uint8Array,
  body: ReadableStream<Uint8Array>,
  write: (piece: Uint8Array) => Promise<void>,
  enough: (() => void) | null = null,
): Promise<void> {
  const reader = body.getReader();
  const cancel = (): Promise<void> => reader.cancel().catch(() => {});
  void untilGone(connection).then(enough ?? cancel);
  try {
    await write(head);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      await write(value);
    }
  } finally {
    await cancel();
  }
}

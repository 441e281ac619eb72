/**
 * An answer that does not end: its body goes out piece by piece, as it comes, until it ends or the
 * other side does. Nothing is kept for a reader that is slow: the next piece is asked for when the
 * one before it was taken.
 *
 * @module
 */

/** Whether an answer is one of these. */
export function isStream(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
}

/** Resolves when the other side has gone, or says something: nothing more is to be said here. */
async function untilGone(connection: Pick<Deno.Conn, "read">): Promise<void> {
  await connection.read(new Uint8Array(1)).catch(() => null);
}

/**
 * Sends a body.
 * @param write sends a piece, and rejects if it is not taken in time
 */
export async function sendStream(
  connection: Pick<Deno.Conn, "read">,
  body: ReadableStream<Uint8Array>,
  write: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  const reader = body.getReader();
  const cancel = (): Promise<void> => reader.cancel().catch(() => {});
  void untilGone(connection).then(cancel);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      await write(value);
    }
  } finally {
    await cancel();
  }
}

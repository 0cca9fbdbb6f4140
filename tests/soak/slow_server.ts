/**
 * Requests to a server on a loaded machine, which may be too slow for its own deadlines.
 */

/** Sends a request again while the server is too slow to answer it. */
export async function untilAnswered<T>(send: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!isTooSlow(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Whether a client was told to try again: the server is overloaded, or a deadline passed. */
export function isTooSlow(error: unknown): boolean {
  return error instanceof Error && / answered (429|503|504): /.test(error.message);
}

/**
 * Thread that signals when the next request is due. Timers of an event loop fire up to 2 ms late
 * and several at once, which turns random arrivals into bursts; a thread that only waits wakes
 * within 0.1 ms.
 */

/** Due times of requests, and the shared memory through which they are signalled. */
export interface PacerOrder {
  /** Due times, ms from the start, ascending. */
  readonly afterMs: Float64Array;
  /**
   * Number of requests that are due by now (int32 at byte 0), and the start time (float64 at byte
   * 8), ms since the Unix epoch.
   */
  readonly progress: SharedArrayBuffer;
}

declare const self: {
  onmessage: (event: MessageEvent<PacerOrder>) => void;
};

self.onmessage = ({ data: { afterMs, progress } }) => {
  const due = new Int32Array(progress, 0, 1);
  const never = new Int32Array(new SharedArrayBuffer(4));
  const nowMs = () => performance.timeOrigin + performance.now();
  const beganMs = new Float64Array(progress, 8, 1)[0] = nowMs();
  for (const after of afterMs) {
    for (let leftMs = beganMs + after - nowMs(); leftMs > 0; leftMs = beganMs + after - nowMs()) {
      Atomics.wait(never, 0, 0, leftMs);
    }
    Atomics.add(due, 0, 1);
    Atomics.notify(due, 0);
  }
};

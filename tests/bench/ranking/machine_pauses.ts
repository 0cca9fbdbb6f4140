/**
 * What the machine takes from everybody: a virtual core stops for milliseconds while its host runs another's. A thread on
 * each core does nothing but read the clock, and sees a gap. No latency can be better than these, so each figure is
 * given beside them.
 */
import { availableParallelism } from "node:os";

/** Shorter gaps are interrupts and collections of the thread itself. */
const GAP_MS_MIN = 0.5;

/** Share of its time that an idle core is stopped for more than {@link GAP_MS_MIN}, mean of all cores, while nothing else runs. */
export async function machinePauses(ms = 1_000): Promise<number> {
  const shares = await Promise.all(Array.from({ length: availableParallelism() }, () => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
    worker.postMessage(ms);
    return promise.finally(() => worker.terminate());
  }));
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function gapsShare(ms: number): number {
  const beganMs = performance.now();
  let stoppedMs = 0;
  for (let beforeMs = beganMs, nowMs = beganMs; beforeMs - beganMs < ms; beforeMs = nowMs) {
    nowMs = performance.now();
    if (nowMs - beforeMs > GAP_MS_MIN) stoppedMs += nowMs - beforeMs;
  }
  return stoppedMs / ms;
}

declare const WorkerGlobalScope: unknown;
declare const self: {
  onmessage: (event: MessageEvent<number>) => void;
  postMessage(value: number): void;
};

if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = ({ data }) => self.postMessage(gapsShare(data));
}

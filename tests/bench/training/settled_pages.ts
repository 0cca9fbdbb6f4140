/**
 * Tells when the tables of this process are in huge pages, into which Cairn moves them in the
 * background: some ten seconds for 600 MB. The peer asks for huge pages when it allocates.
 */

/** Time between two looks, ms. */
const LOOK_INTERVAL_MS = 1_000;
/** Looks without a move after which no more moves are expected. */
const LOOKS_ALIKE = 3;
/** Longest wait, ms: a machine that is short of memory never ends. */
const WAIT_MS_MAX = 60_000;

export class SettledPages {
  readonly #beganMs: number;
  #lookedMs = -Infinity;
  #bytes: number | undefined;
  #looksAlike = 0;

  /** @param nowMs The present time, ms. */
  constructor(nowMs: number) {
    this.#beganMs = nowMs;
  }

  /** Whether no more moves are expected. At once where the system does not count huge pages. */
  areSettled(nowMs: number): boolean {
    if (nowMs - this.#lookedMs >= LOOK_INTERVAL_MS) {
      const bytes = hugePageBytes();
      if (bytes === undefined) return true;
      this.#looksAlike = bytes === this.#bytes ? this.#looksAlike + 1 : 0;
      [this.#lookedMs, this.#bytes] = [nowMs, bytes];
    }
    return this.#looksAlike >= LOOKS_ALIKE || nowMs - this.#beganMs >= WAIT_MS_MAX;
  }
}

/** Bytes of this process in huge pages; undefined where the system does not count them. */
function hugePageBytes(): number | undefined {
  try {
    const rollup = Deno.readTextFileSync("/proc/self/smaps_rollup");
    const [, kibibytes] = /^AnonHugePages:\s*(\d+)/m.exec(rollup) ?? [];
    return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
  } catch {
    return undefined;
  }
}

/**
 * One group of the demo's comparison: products shown and clicked, per second.
 */

/** Products shown, and clicks on them. */
export interface ClickCounts {
  readonly shown: number;
  readonly clicks: number;
}

/** Click-through of one group of visitors, by second. */
export class Arm {
  readonly #shown: number[] = [];
  readonly #clicks: number[] = [];

  /** A page was shown in second `second` (from 0). */
  record(second: number, shown: number, clicks: number): void {
    while (this.#shown.length <= second) {
      this.#shown.push(0);
      this.#clicks.push(0);
    }
    this.#shown[second] += shown;
    this.#clicks[second] += clicks;
  }

  /** Seconds so far. */
  get seconds(): number {
    return this.#shown.length;
  }

  /** Counts of the seconds [from, to). */
  between(from: number, to: number): ClickCounts {
    let [shown, clicks] = [0, 0];
    for (let second = Math.max(0, from); second < Math.min(to, this.seconds); second++) {
      shown += this.#shown[second];
      clicks += this.#clicks[second];
    }
    return { shown, clicks };
  }

  /** Click-through per moving window of `window` seconds: [second, share]. */
  curve(window: number): [number, number][] {
    const points: [number, number][] = [];
    for (let second = Math.min(window, this.seconds); second <= this.seconds; second++) {
      points.push([second, clickThrough(this.between(second - window, second))]);
    }
    return points;
  }
}

/** Clicks per product shown; NaN before the first. */
export function clickThrough({ shown, clicks }: ClickCounts): number {
  return clicks / shown;
}

/**
 * How many standard errors the first share lies above the second (two-proportion z-test, pooled
 * variance).
 *
 * @returns NaN where either group is empty.
 */
export function standardErrorsAbove(a: ClickCounts, b: ClickCounts): number {
  const pooled = (a.clicks + b.clicks) / (a.shown + b.shown);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / a.shown + 1 / b.shown));
  return (clickThrough(a) - clickThrough(b)) / error;
}

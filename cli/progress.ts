/**
 * Progress of a long command on stderr. On a terminal one line is refreshed in place; into a file
 * or a pipe plain lines are written every few seconds, so that logs stay readable.
 */

/** The output and the clock of a progress line. */
export interface ProgressTarget {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  columns(): number;
  /** Monotonic, ms. */
  nowMs(): number;
}

/** How often a line is written. */
export interface ProgressOptions {
  /** Between two refreshes on a terminal, ms. */
  readonly refreshMs: number;
  /** Between two plain lines elsewhere, ms. */
  readonly plainLineMs: number;
}

const BAR_CELLS_MAX = 24;
const BAR_CELLS_MIN = 6;
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar for a share in [0, 1]. */
export function bar(share: number, cells = BAR_CELLS_MAX): string {
  const filled = Math.min(1, Math.max(0, share)) * cells;
  const whole = Math.floor(filled);
  const part = eighths[Math.floor((filled - whole) * 8)];
  return ("█".repeat(whole) + part).padEnd(cells, "░");
}

/** Seconds as a person reads them: `8s`, `2m05s`, `1h02m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")}m`;
}

/** The progress line of one long task. */
export class Progress {
  readonly #startedAtMs: number;
  #writtenAtMs = -Infinity;
  #finished = false;

  /**
   * @param total Units of work, in the unit of `done`; undefined where the total is unknown; then
   * only figures are shown.
   */
  constructor(
    readonly label: string,
    readonly total: number | undefined,
    readonly target: ProgressTarget,
    readonly options: ProgressOptions = { refreshMs: 100, plainLineMs: 5000 },
  ) {
    this.#startedAtMs = target.nowMs();
  }

  /**
   * Shows `done` of the total and a few figures; does nothing when the last line was written a
   * moment ago.
   */
  update(done: number, figures = ""): void {
    if (this.#finished) return;
    const nowMs = this.target.nowMs();
    const { refreshMs, plainLineMs } = this.options;
    if (nowMs - this.#writtenAtMs < (this.target.isTerminal ? refreshMs : plainLineMs)) return;
    this.#writtenAtMs = nowMs;
    this.#write(done, figures);
  }

  /** A line that stays, while the work goes on. */
  note(text: string): void {
    this.target.write(this.target.isTerminal ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }

  /** The last line, which stays. */
  finish(done: number = this.total ?? 0, figures = ""): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#write(done, figures);
    if (this.target.isTerminal) this.target.write("\n");
  }

  #write(done: number, figures: string): void {
    if (this.total === undefined) {
      const line = `${this.label}  ${figures}`;
      return this.target.write(this.target.isTerminal ? `\r\x1b[2K${line}` : `${line}\n`);
    }
    const share = this.total > 0 ? Math.min(1, done / this.total) : 1;
    const elapsed = (this.target.nowMs() - this.#startedAtMs) / 1000;
    // Less than a hundredth tells nothing about the rest.
    const left = share >= 0.01 && share < 1 && elapsed >= 1
      ? ` ${formatSeconds(elapsed / share - elapsed)} left`
      : "";
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const tail = figures === "" ? "" : `  ${figures}`;
    if (!this.target.isTerminal) {
      this.target.write(`${`${this.label} ${percent.trim()}`.trim()}${left}${tail}\n`);
      return;
    }
    // The figures come first: a narrow terminal gets a shorter bar, then no remaining time.
    const columns = Math.max(20, this.target.columns() - 1);
    const label = this.label === "" ? "" : `${this.label} `;
    const room = columns - [...label + percent + tail].length;
    const withLeft = room - left.length >= BAR_CELLS_MIN;
    const cells = Math.max(
      BAR_CELLS_MIN,
      Math.min(BAR_CELLS_MAX, room - (withLeft ? left.length : 0)),
    );
    const line = `${label}${bar(share, cells)}${percent}${withLeft ? left : ""}${tail}`;
    this.target.write(`\r\x1b[2K${[...line].slice(0, columns).join("")}`);
  }
}

/** Progress on this process's stderr. */
export function stderrTarget(): ProgressTarget {
  const encoder = new TextEncoder();
  return {
    write: (text) => {
      Deno.stderr.writeSync(encoder.encode(text));
    },
    isTerminal: Deno.stderr.isTerminal(),
    columns: () => {
      try {
        return Deno.consoleSize().columns;
      } catch {
        return 80;
      }
    },
    nowMs: () => performance.now(),
  };
}

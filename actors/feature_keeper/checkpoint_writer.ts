/**
 * Writes the checkpoints of a running keeper, one part a turn: the state goes on taking records and
 * answering meanwhile.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { CheckpointEnd, Checkpoints } from "./checkpoint.ts";
import type { KeptState } from "./kept_state.ts";
import type { FeatureKeeperMessage } from "./protocol.ts";
import type { ReadPositions } from "./read_positions.ts";

/** Memory of the entries of a part, bytes: a few milliseconds of copying and encoding. */
const PART_BYTES = 256 * 2 ** 10;
/** Greatest share of a keeper's time that checkpoints take. */
const CHECKPOINT_SHARE = 1 / 50;
/** Longest pause between parts, ms. */
const PAUSE_MS_MAX = 1_000;
/** Pause before a hurried checkpoint that the store has refused begins anew, ms. */
const RETRY_MS = 10_000;

export class CheckpointWriter {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #checkpoints: Checkpoints;
  readonly #state: KeptState;
  readonly #positions: ReadPositions;
  /** Least time between the begins of two checkpoints, ms. */
  readonly #intervalMs: number;
  /** The end of the checkpoint that is being written. */
  #writing: CheckpointEnd | undefined;
  /** The records of the last complete checkpoint. */
  #written: number;
  #offsets: readonly number[];
  #nextAtMs: number;
  /** Whether the next checkpoint is awaited: an erasure ends with it. */
  #isHurried = false;
  #isLeased = true;
  /** Whether a part is being written, or the message that asks for the next one is on its way. */
  #isUnderway = false;
  /** Ends when the store has taken the last part, or has deleted what a checkpoint replaces. */
  #stored: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    context: ActorContext<FeatureKeeperMessage>,
    { checkpoints, state, positions, intervalMs, isClean }: {
      readonly checkpoints: Checkpoints;
      readonly state: KeptState;
      /** The positions of the state, at first those of the checkpoint that it was restored from. */
      readonly positions: ReadPositions;
      readonly intervalMs: number;
      /** Whether the store has no other blobs of the keeper than the restored checkpoint. */
      readonly isClean: boolean;
    },
  ) {
    this.#context = context;
    this.#checkpoints = checkpoints;
    this.#state = state;
    this.#positions = positions;
    this.#intervalMs = intervalMs;
    // Other blobs go with the next checkpoint, which is due at once.
    this.#written = isClean ? state.records : -1;
    this.#offsets = positions.offsets.map((offset) => isClean ? offset : 0);
    this.#nextAtMs = isClean ? context.clock.monotonicMs() + intervalMs : 0;
    this.#isHurried = !isClean;
  }

  /** Offsets of the last complete checkpoint, by partition. */
  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /** Lets the writing stand still while the lease of its host has ended. */
  setLeased(isLeased: boolean): void {
    const goesOn = isLeased && !this.#isLeased;
    this.#isLeased = isLeased;
    // Two parts at once would let the checkpoint be finished before it has both.
    if (goesOn && !this.#isUnderway) this.saveNext();
  }

  /** Lets the next checkpoint begin as soon as the present one is complete. */
  hurry(): void {
    this.#nextAtMs = 0;
    this.#isHurried = true;
  }

  /** Begins a checkpoint if it is time for one. */
  beginIfDue(): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#writing !== undefined || nowMs < this.#nextAtMs || !this.#hasNews) return;
    this.#nextAtMs = nowMs + this.#intervalMs;
    this.#begin();
    this.saveNext();
  }

  /** Writes the next part, outside the keeper's turn, and asks for the one after it. */
  saveNext(): void {
    const end = this.#writing;
    this.#isUnderway = end !== undefined && !this.#stopped && this.#isLeased;
    if (end === undefined || !this.#isUnderway) return;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    const part = this.#state.nextSaved(PART_BYTES);
    const written = part === undefined
      ? this.#checkpoints.finish(end)
      : this.#checkpoints.writePart(part);
    // The time of the turn; the store works while the keeper answers.
    const tookMs = clock.monotonicMs() - beganAtMs;
    this.#stored = written.then(() => {
      if (part === undefined) {
        this.#written = end.records;
        this.#offsets = end.offsets;
        this.#writing = undefined;
        this.#isUnderway = false;
        this.#isHurried = this.#nextAtMs === 0; // by an erasure since this checkpoint began
        if (this.#isHurried && !this.#stopped) this.#context.self.tell({ kind: "readLog" });
        return;
      }
      if (this.#stopped || !this.#context.isCurrent) return;
      const pauseMs = Math.min(PAUSE_MS_MAX, tookMs * (1 / CHECKPOINT_SHARE - 1));
      this.#context.schedule(pauseMs, { kind: "saveNext" });
    }, (cause) => this.#giveUp(cause));
  }

  /** Writes a whole checkpoint, unless the last one has every record. */
  async stop(): Promise<void> {
    this.#stopped = true;
    // Otherwise the deletion of the checkpoint before could take parts of the last one.
    await this.#stored;
    if (!this.#hasNews) return;
    try {
      const end = this.#begin();
      for (let part; (part = this.#state.nextSaved(PART_BYTES)) !== undefined;) {
        await this.#checkpoints.writePart(part);
      }
      await this.#checkpoints.finish(end);
    } catch (cause) {
      this.#giveUp(cause);
    }
  }

  get #hasNews(): boolean {
    return this.#state.records > this.#written;
  }

  #begin(): CheckpointEnd {
    const end = { ...this.#positions.end(), records: this.#state.records };
    this.#writing = end;
    this.#checkpoints.begin();
    this.#state.beginSave();
    return end;
  }

  /** A checkpoint that cannot be written costs a longer restart, so the keeper goes on. */
  #giveUp(cause: unknown): void {
    this.#writing = undefined;
    this.#isUnderway = false;
    this.#state.endSave();
    const { clock, telemetry } = this.#context;
    telemetry.log("warn", "cannot save the kept features", { cause });
    if (!this.#isHurried || this.#stopped) return;
    // Also where no record comes that wakes the keeper; a record may come a moment before.
    this.#nextAtMs = clock.monotonicMs() + RETRY_MS / 2;
    this.#context.schedule(RETRY_MS, { kind: "readLog" });
  }
}

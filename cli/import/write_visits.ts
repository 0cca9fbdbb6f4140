/**
 * Appends visits to the event log of a running mesh, as fast as joiners and trainers follow, and
 * ends with a snapshot of the model.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { ProgressiveValidation } from "../../actors/trainer/protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { AcceptanceClock } from "../../gateway/memory/acceptance_clock.ts";
import { jsonLine, terminalLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import { endOffsets, isRefusal } from "../../mesh/ports/event_log.ts";
import type { ProfileKind } from "../../mesh/ports/profile_store.ts";
import type { History } from "../../offline/import/history.ts";
import { type VisitRecord, VisitRecords } from "../../offline/import/visit_records.ts";
import type { Visits } from "../../offline/import/visits.ts";
import { decodeEvent, eventPartition } from "../../records/event_record.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { behind } from "../../server/joiners.ts";
import { startMesh } from "../../server/machine/start_mesh.ts";
import { waitLearned } from "../../server/waits.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError, usageError } from "../errors.ts";
import { type TaskFigures, taskFigures, WARM_UP_SHARE } from "../load/task_figures.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { type Checkpoint, loggedSince, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";

/** Records per append. */
const RECORDS_PER_APPEND = 512;
/** Records that the joiners may be behind. */
const RECORDS_AHEAD_MAX = 8_192;
/** Chunks of examples that trainers may be behind. */
const CHUNKS_AHEAD_MAX = 1_024;
const POLL_MS = 10;
const PROFILES_PER_WRITE = 1_000;
/** Waits that end only with the work: a large import takes hours. */
const LONG_BUDGET_MS = 24 * 3_600_000;

export interface WrittenFigures {
  /** Examples that the trainers learned from. */
  readonly examples: number;
  /** Rankings that still wait for actions. */
  readonly windowsOpen: number;
  /** Whether an interrupted import went on. */
  readonly resumed: boolean;
  /**
   * How well each task was predicted before it was learned, over the last 80 % of the examples that
   * this run learned; empty after a dry run.
   */
  readonly tasks: Readonly<Record<string, TaskFigures>>;
}

export interface WriteVisitsOptions {
  readonly configuration: CairnConfiguration;
  readonly history: History;
  readonly visits: Visits;
  /** Names the import in its checkpoint. */
  readonly key: string;
  readonly output: Output;
}

/** @throws {CommandError} When the data directory holds events that are newer than the history. */
export async function writeVisits(options: WriteVisitsOptions): Promise<WrittenFigures> {
  const { configuration, key, output } = options;
  const { storage } = configuration;
  invariant(storage.kind === "directory", "an import has a data directory");
  const begun = await readCheckpoint(storage.path, key);
  if (begun?.isComplete === true) {
    throw usageError(
      `${storage.path} holds this import already. To import it again, name an empty directory.`,
    );
  }
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => {/* reported by the race below */});
  const mesh = await startMesh(configuration, {
    logLevelMin: "warn",
    writeLog: (line) => {
      const asText = Deno.stderr.isTerminal() ? terminalLine : jsonLine;
      output.err(asText(line, Date.now()) + "\n");
    },
    onFatal: reject,
  });
  try {
    const writer = new VisitWriter(mesh, options, storage.path, begun);
    return await Promise.race([writer.run(), failure]);
  } finally {
    await mesh.stop();
  }
}

class VisitWriter {
  readonly #mesh: RunningMesh;
  readonly #options: WriteVisitsOptions;
  readonly #folder: string;
  readonly #begun: Checkpoint | undefined;
  readonly #records: VisitRecords;
  readonly #acceptance: AcceptanceClock;
  /** Scores of the trainers after the warm-up. */
  #warmedUp: ProgressiveValidation["trained"] | undefined;
  /** Records that are not appended yet, of `#visits` visits so far. */
  #waiting: VisitRecord[] = [];
  #visits = 0;

  constructor(
    mesh: RunningMesh,
    options: WriteVisitsOptions,
    folder: string,
    begun: Checkpoint | undefined,
  ) {
    this.#mesh = mesh;
    this.#options = options;
    this.#folder = folder;
    this.#begun = begun;
    this.#acceptance = new AcceptanceClock(mesh.mesh.home.clock);
    const { configuration, history } = options;
    this.#records = new VisitRecords({
      schema: configuration.features.schema,
      tasks: configuration.trainer.taskNames,
      profiles: history.profiles,
      ...(configuration.featureKeeper && { kept: configuration.featureKeeper }),
      nextAcceptedAtMs: () => this.#acceptance.nextMs(),
    });
  }

  async run(): Promise<WrittenFigures> {
    const { history, visits, key } = this.#options;
    const { stores: { eventLog } } = this.#mesh;
    await this.#resumeAcceptance();
    await this.#requireNewer();
    const { user, item } = history.profiles;
    await this.#storeProfiles("item", item.keys());
    await this.#storeProfiles("user", user.keys());
    const begun = this.#begun ?? await this.#begin();
    const logged = await loggedSince(eventLog, begun.offsets);
    const { trained: untrained } = await this.#mesh.trainers.progressiveValidation();
    const progress = new Progress("importing", history.events || undefined, stderrTarget());
    for (const visit of visits.all()) {
      this.#records.learnProfiles(visit);
      if (this.#visits >= begun.visits) {
        for (const record of this.#records.records(visit, logged)) {
          this.#waiting.push(record);
        }
      } else this.#records.skip(visit);
      this.#visits++;
      if (this.#waiting.length < RECORDS_PER_APPEND) continue;
      await this.#append();
      if (visits.eventsDone >= history.events * WARM_UP_SHARE) {
        this.#warmedUp ??= (await this.#mesh.trainers.progressiveValidation()).trained;
      }
      progress.update(visits.eventsDone, `${new Date(visit.atMs).toISOString().slice(0, 10)}`);
    }
    await this.#append();
    progress.finish(visits.eventsDone);
    await waitLearned(this.#mesh, LONG_BUDGET_MS);
    await this.#mesh.snapshotter?.ask({ kind: "takeSnapshot" }, { budgetMs: LONG_BUDGET_MS });
    const offsets = await endOffsets(eventLog);
    await writeCheckpoint(this.#folder, { key, visits: this.#visits, offsets, isComplete: true });
    const { examples } = await this.#mesh.trainers.status();
    const { trained } = await this.#mesh.trainers.progressiveValidation();
    const tasks = taskFigures({ warmedUp: this.#warmedUp ?? untrained, trained });
    const { impressionsOpen } = await this.#mesh.joiners.status();
    const resumed = this.#begun !== undefined;
    return { examples, windowsOpen: impressionsOpen, resumed, tasks };
  }

  /** The checkpoint before the first record: without it a crash would lose track of the log. */
  async #begin(): Promise<Checkpoint> {
    const { key } = this.#options;
    const offsets = await endOffsets(this.#mesh.stores.eventLog);
    const checkpoint = { key, visits: 0, offsets, isComplete: false };
    await writeCheckpoint(this.#folder, checkpoint);
    return checkpoint;
  }

  /** Keeps acceptance times above those of the log. */
  async #resumeAcceptance(): Promise<void> {
    const { eventLog } = this.#mesh.stores;
    for (const [partition, end] of (await endOffsets(eventLog)).entries()) {
      const [last] = end === 0 ? [] : await eventLog.read(partition, end - 1, 1);
      if (last !== undefined) this.#acceptance.resumeAfter(decodeEvent(last.bytes).acceptedAtMs);
    }
  }

  /**
   * Refuses an import, before it writes anything, whose times are before those of the log: they
   * would not move the data clock, so no window would end. An import that goes on has its own
   * events there, and no newer ones.
   */
  async #requireNewer(): Promise<void> {
    const { firstMs, lastMs } = this.#options.history;
    if (firstMs === Infinity) return;
    const isBegun = this.#begun !== undefined;
    const dataClockMs = await this.#dataClockMs();
    if (dataClockMs <= (isBegun ? lastMs : firstMs)) return;
    const until = `${this.#folder} holds events up to ${new Date(dataClockMs).toISOString()}`;
    throw new CommandError(
      isBegun
        ? `Cannot go on with the import: ${until}, after its last one: a server took requests ` +
          "meanwhile. Import into an empty data directory, and start the server when it is complete."
        : `Cannot import events from ${
          new Date(firstMs).toISOString()
        } on: ${until}, and windows ` +
          "go by the time of the newest event. Import history into an empty data directory, before " +
          "live traffic.",
    );
  }

  /** The data clock after all records of the log, of which a new joiner has yet to read some. */
  async #dataClockMs(): Promise<number> {
    const { joiners, stores: { eventLog } } = this.#mesh;
    const ends = await endOffsets(eventLog);
    for (;;) {
      const { offsets, dataClockMs } = await joiners.status();
      if (behind(ends, offsets) === 0) return dataClockMs;
      await pause(POLL_MS);
    }
  }

  async #append(): Promise<void> {
    const { key } = this.#options;
    const changed = this.#records.takeChanged();
    await this.#storeProfiles("item", changed.item);
    await this.#storeProfiles("user", changed.user);
    if (this.#waiting.length === 0) return;
    await this.#waitForRoom();
    const { eventLog } = this.#mesh.stores;
    const groups = Map.groupBy(
      this.#waiting,
      ({ rankingId }) => eventPartition(rankingId, eventLog.partitions),
    );
    this.#waiting = [];
    for (const [partition, group] of groups) {
      await this.#appendWhenPossible(partition, group.map(({ bytes }) => bytes));
    }
    const offsets = this.#appended = await endOffsets(eventLog);
    await writeCheckpoint(this.#folder, { key, visits: this.#visits, offsets, isComplete: false });
  }

  /** By partition, the offset after the newest record. */
  #appended: readonly number[] = [];

  async #appendWhenPossible(partition: number, records: readonly Uint8Array[]): Promise<void> {
    for (;;) {
      try {
        await this.#mesh.stores.eventLog.append(partition, records);
        return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await pause(POLL_MS);
      }
    }
  }

  /** Waits until joiners and trainers have nearly caught up, so that no log grows full. */
  async #waitForRoom(): Promise<void> {
    const { joiners, trainers, stores: { exampleLog } } = this.#mesh;
    for (;;) {
      const joined = await joiners.status();
      const { offsets, diverged } = await trainers.status();
      if (diverged !== undefined) throw new CommandError(diverged);
      const ends = await endOffsets(exampleLog);
      const chunks = Math.max(...ends.map((end, i) => end - offsets[i]));
      const unjoined = behind(this.#appended, joined.offsets);
      if (unjoined < RECORDS_AHEAD_MAX && chunks < CHUNKS_AHEAD_MAX) return;
      await pause(POLL_MS);
    }
  }

  async #storeProfiles(kind: ProfileKind, ids: Iterable<string>): Promise<void> {
    const { profiles } = this.#mesh.stores;
    const attributes = this.#options.history.profiles[kind];
    const all = [...ids];
    for (let at = 0; at < all.length; at += PROFILES_PER_WRITE) {
      const some = all.slice(at, at + PROFILES_PER_WRITE);
      await Promise.all(some.map((id) => profiles.put(kind, id, attributes.get(id) ?? {})));
    }
  }
}

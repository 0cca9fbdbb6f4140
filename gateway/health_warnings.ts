/**
 * The warnings of `/health/ready`: things that are given up while rankings go on. The
 * parts of the mesh report reasons and numbers in their statuses; this module turns them into
 * warnings.
 */
import type { Clock } from "../mesh/ports/clock.ts";
import { isOfServer } from "../mesh/ports/event_log.ts";
import { snapshotFailureText } from "../mesh/ports/snapshot_failure.ts";
import type { GatewayParts } from "./parts.ts";
import type { Warning } from "./schemas/health.ts";

/** A loss is a warning until this long after its number last grew, ms. */
const LOSS_SHOWN_MS = 600_000;

export class HealthWarnings {
  readonly #parts: GatewayParts;
  readonly #losses: RecentLosses;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#losses = new RecentLosses(parts.clock);
  }

  /** Asks all parts. One that does not answer in time is busy or restarting, and has no warning. */
  async current(budgetMs: number): Promise<Warning[]> {
    const answers = await Promise.all([
      this.#training(budgetMs),
      this.#joining(budgetMs),
      this.#serving(budgetMs),
      this.#loading(budgetMs),
    ]);
    return [
      ...this.#refusing(),
      ...this.#unleased(),
      ...this.#attributesLost(),
      ...this.#rankingsUnlogged(),
      ...this.#failing(),
      ...this.#unplaced(),
      ...this.#snapshotsFailing(),
      ...this.#away(),
      ...this.#unlisted(),
      ...answers.flat(),
      ...this.#recalling(),
    ];
  }

  async #training(budgetMs: number): Promise<Warning[]> {
    const statuses = await answered(
      (this.#parts.trainers?.() ?? []).map((trainer) =>
        trainer.ask({ kind: "getStatus" }, { budgetMs })
      ),
    );
    const rows = sum(statuses.map(({ rowsRefused }) => rowsRefused));
    const losses = sum(statuses.map(({ logLosses }) => logLosses));
    return [
      ...statuses.flatMap(({ diverged }) => diverged ?? [])
        .map((detail) => ({ kind: "training-stopped", detail }) as const),
      ...this.#losses.warning(
        "rows-put-aside",
        rows,
        `The trainers have refused ${rows} examples since their start: the loss was not finite or ` +
          "exploded. `cairn data quarantine` shows them.",
      ),
      ...this.#losses.warning(
        "events-lost",
        losses,
        "Redis came back without the newest examples, which shards had learned, and perhaps without " +
          "the events that they were made of: events that were accepted shortly before are not " +
          "learned. The shards went back to the newest snapshot. With storage.redis.replicas: 1 a " +
          "failover to a replica that has confirmed loses none.",
      ),
    ];
  }

  async #joining(budgetMs: number): Promise<Warning[]> {
    const { exampleLog, joiners = () => [] } = this.#parts;
    const statuses = await answered(
      joiners().map((joiner) => joiner.ask({ kind: "getStatus" }, { budgetMs })),
    );
    const dropped = sum(statuses.map(({ examplesDropped }) => examplesDropped));
    const missed = sum(statuses.map(({ actionsMissed }) => actionsMissed));
    const refusal = exampleLog?.refusal();
    const reason = statuses.find(({ warning }) => warning !== undefined)?.warning ??
      (refusal && `No new examples reach the trainers: ${refusal.message}`);
    return [
      ...(reason === undefined ? [] : [{ kind: "examples-held", detail: reason } as const]),
      ...this.#losses.warning(
        "examples-dropped",
        dropped,
        `The joiners have dropped ${dropped} examples since their start, so that rankings and events ` +
          "go on: the example log took none.",
      ),
      ...this.#losses.warning(
        "actions-missed",
        missed,
        `The event log had ${missed} actions long before their rankings: nothing is learned from ` +
          "them, and their items may count as not chosen. See how fast the Redis server answers " +
          "the hosts that rank: `redis-cli --latency`.",
      ),
    ];
  }

  async #serving(budgetMs: number): Promise<Warning[]> {
    const replicas = this.#parts.replicas?.() ?? [];
    const statistics = await answered(
      replicas.map((replica) => replica.ask({ kind: "getStatistics" }, { budgetMs })),
    );
    const count = sum(statistics.map(({ rowsLeftOut }) => rowsLeftOut));
    if (count === 0) return [];
    return [{
      kind: "rows-not-served",
      count,
      detail:
        `The serving tables are at their memory limit; up to ${count} rows are left out, so ` +
        "their items are cold. Raise embeddings.serving.bytesMax.",
    }];
  }

  async #loading(budgetMs: number): Promise<Warning[]> {
    const shards = this.#parts.shards?.() ?? [];
    const statistics = await answered(
      shards.map((shard) => shard.ask({ kind: "getStatistics" }, { budgetMs })),
    );
    const isLoading = statistics.some(({ loadedShare, owesLoadedRows }) =>
      loadedShare < 1 || owesLoadedRows
    );
    if (!isLoading) return [];
    const loaded = sum(statistics.map(({ loadedShare }) => loadedShare)) / statistics.length;
    return [{
      kind: "rows-loading",
      share: loaded,
      detail:
        `${Math.floor(100 * loaded)} % of the rows are loaded from the snapshot. Ids without ` +
        "a row yet rank by their initial values; events are taken, and learned when all rows are " +
        "there.",
    }];
  }

  /** The warning of shards whose rows rankings lack. */
  shardsAway(count: number): Warning[] {
    if (count === 0) return [];
    return [{
      kind: "replicas-away",
      detail: `No serving replica of ${count} ${count === 1 ? "shard" : "shards"} answers. ` +
        "Rankings and recommendations of new items go on without the rows of these: items are " +
        "cold, and learnedThroughMs is 0. " +
        "See the warning host-away, or the log of the serving hosts.",
    }];
  }

  #refusing(): Warning[] {
    const refusal = this.#parts.eventLog.refusal();
    if (refusal === undefined || !isOfServer(refusal)) return [];
    return [{
      kind: "events-refused",
      detail: `Events are refused, and rankings are not learned from: ${refusal.message}`,
    }];
  }

  #unleased(): Warning[] {
    const detail = this.#parts.leaseEnd?.();
    return detail === undefined ? [] : [{ kind: "lease-ended", detail }];
  }

  #attributesLost(): Warning[] {
    const count = this.#parts.profiles.changesLost?.() ?? 0;
    return this.#losses.warning(
      "attributes-lost",
      count,
      `Redis came back without up to ${count} changes of attributes, some of which this host had ` +
        "accepted. Restore its newer data, or send the newest attributes again.",
    );
  }

  #rankingsUnlogged(): Warning[] {
    const { rankingsUnlogged: count } = this.#parts.memory;
    return this.#losses.warning(
      "rankings-unlogged",
      count,
      `This host has answered ${count} rankings before the event log had them. Nothing is learned ` +
        "from those that it does not take within seconds. Where its Redis server is not away, see " +
        "how fast it answers: `redis-cli --latency`.",
    );
  }

  #failing(): Warning[] {
    const { failingParts = () => [] } = this.#parts;
    return failingParts().map(({ part, reason }) => ({
      kind: "part-failing",
      detail: `${part} crashes again and again, and is restarted; rankings and events go on ` +
        `without what it learns: ${reason}`,
    }));
  }

  #unplaced(): Warning[] {
    const { unplacedParts = () => [] } = this.#parts;
    return unplacedParts().map(({ part, host, reason }) => ({
      kind: "part-not-placed",
      detail: `${part} ${
        host === undefined ? "has no host" : `cannot be placed on host ${host}, which tries again`
      }; rankings go on without what it learns meanwhile: ${reason}`,
    }));
  }

  #snapshotsFailing(): Warning[] {
    const { snapshotFailures = () => [], clock } = this.#parts;
    return snapshotFailures().map((failure) => ({
      kind: "snapshots-fail",
      detail:
        "Rankings and training go on, and a restart learns again what came after the newest " +
        `snapshot: ${snapshotFailureText(failure, clock.nowMs())}`,
    }));
  }

  #away(): Warning[] {
    const { links = () => [], joinedHosts } = this.#parts;
    const meanwhile = joinedHosts !== undefined
      ? "Where its process has ended, other hosts with its roles and room take its shards, joiners " +
        "and trainers over after mesh.lease, and part-not-placed names what none takes; where it " +
        "runs without this link, it keeps them."
      : "What it does is not done until it is back.";
    const joined = joinedHosts?.();
    // A file may list hosts ahead, which an autoscaler starts later.
    const isExpected = ({ host, wasLinked }: ReturnType<typeof links>[number]) =>
      joined === undefined || wasLinked || joined.includes(host);
    const away = links().filter((link) => !link.isLinked && isExpected(link));
    return away.map(({ host, reason }) => ({
      kind: "host-away",
      detail: `Host ${host} cannot be reached: ${reason ?? "no attempt has ended yet"}. Start it ` +
        `again, or see its log. ${meanwhile}`,
    }));
  }

  #unlisted(): Warning[] {
    const { unlistedHosts = () => [] } = this.#parts;
    return unlistedHosts().map((detail) => ({ kind: "host-unlisted", detail }));
  }

  #recalling(): Warning[] {
    if (this.#parts.memory.isComplete) return [];
    return [{
      kind: "rankings-unread",
      detail: "Rankings from before the start are being read back from the event log. Until then " +
        "events on unknown rankings are accepted, and the joiner decides.",
    }];
  }
}

/** Tells losses that still grow from old ones. Numbers count from a part's start. */
class RecentLosses {
  readonly #clock: Clock;
  readonly #last = new Map<Warning["kind"], { count: number; grewAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The warning, if the count grew within {@link LOSS_SHOWN_MS}; a restarted part begins at 0. */
  warning(kind: Warning["kind"], count: number, detail: string): Warning[] {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#last.get(kind) ?? { count: 0, grewAtMs: -Infinity };
    const grewAtMs = count > last.count ? nowMs : last.grewAtMs;
    this.#last.set(kind, { count, grewAtMs });
    return count > 0 && nowMs - grewAtMs < LOSS_SHOWN_MS ? [{ kind, detail, count }] : [];
  }
}

/** The answers of the parts that answer. */
async function answered<R>(asked: readonly Promise<R>[]): Promise<R[]> {
  const outcomes = await Promise.allSettled(asked);
  return outcomes.flatMap((outcome) => outcome.status === "fulfilled" ? [outcome.value] : []);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/**
 * The lease of a process that belongs to no mesh on logs that several processes can write: two
 * writers would refuse each other's records. Hosts and other processes do not start while it lasts.
 */
import { hostname } from "node:os";
import type { SnapshotPublisher } from "../../actors/snapshotter/publisher.ts";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import { ProcessRunsError } from "../../mesh/ports/coordination_errors.ts";
import {
  RecordsLostError,
  type RecordStore,
  type RecordView,
} from "../../mesh/ports/record_store.ts";
import {
  leaveHost,
  requireNoProcess,
  runningProcess,
} from "../../mesh/runtime/coordination/host_rules.ts";
import {
  json,
  PROCESS_LEASE_MS,
  raiseCounts,
  recordKeys,
  records,
} from "../../mesh/runtime/coordination/record_keys.ts";

/** The same for all attempts of a start: a lost answer may leave its lease. */
const RUN_ID = crypto.randomUUID();
/** Renewals in the length of a lease. */
const RENEWALS = 3;

export interface OnlyProcessOptions {
  /** Opens the records of the mesh under whose name the logs are. */
  readonly openStore: () => RecordStore;
  readonly clock: Clock;
  /** Takes why the start waits. */
  readonly onWarning: (warning: string) => void;
  /** Another process or a host writes the logs now: this process must stop. */
  readonly onReplaced: (error: Error) => void;
  /** Tells this run of the process from others. Default: an id of its own. */
  readonly id?: string;
}

/** Hosts of a mesh run, and one process was to use its logs. */
export class HostsRunError extends Error {
  override readonly name = "HostsRunError";
  constructor(hosts: readonly string[], leftMs: number) {
    const leftSeconds = Math.ceil(leftMs / 1_000);
    super(
      `Cannot use these logs: hosts of a mesh run on them (${hosts.join(", ")}), and the ` +
        "configuration has no section mesh. Stop them first; a host that was killed counts for " +
        `${leftSeconds} s more. For logs of its own, give this process another ` +
        "storage.redis.name.",
    );
  }
}

export class OnlyProcess {
  readonly #options: OnlyProcessOptions;
  readonly #process;
  #store: RecordStore;
  #timer: Timer | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #isTaken = false;
  #closed = false;

  private constructor(options: OnlyProcessOptions) {
    this.#options = options;
    this.#process = { id: options.id ?? RUN_ID, machine: hostname(), pid: Deno.pid };
    this.#store = options.openStore();
  }

  /**
   * Takes the lease, after that of another process where it ends.
   *
   * @throws {HostsRunError} A host of the mesh has a lease.
   * @throws {ProcessRunsError} Another process renews its lease.
   */
  static async open(options: OnlyProcessOptions): Promise<OnlyProcess> {
    const opened = new OnlyProcess(options);
    try {
      await opened.#takeWhenFree();
    } catch (error) {
      await opened.#store.close();
      throw error;
    }
    opened.#renewLater();
    return opened;
  }

  /**
   * Lets a snapshot count while this process holds the lease: one that stood still has learned less
   * than the process that followed it, and its snapshot would be the newest all the same.
   */
  readonly publisher: SnapshotPublisher = {
    begin: async () => {
      await this.#take();
      return {
        publish: () => this.#take(),
        recordOldest: () => this.#take().then(() => true, () => false),
      };
    },
  };

  /** Gives the lease back. Never fails: without the server it ends by itself. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    const givenBack = this.#store.transact((view) => {
      if (records.process(view)?.id === this.#process.id) this.#write(view, 0);
    }).catch(() => {});
    // Both at once: a server that stands still is waited for as long as for one answer.
    await Promise.all([this.#renewal, givenBack]);
    await this.#store.close();
  }

  async #takeWhenFree(): Promise<void> {
    try {
      return await this.#take();
    } catch (error) {
      if (!(error instanceof ProcessRunsError)) throw error;
      const { clock, onWarning } = this.#options;
      onWarning(`${error.message} This one waits for that long.`);
      await new Promise<void>((ended) => void clock.schedule(error.leftMs, ended));
    }
    await this.#take();
  }

  async #take(): Promise<void> {
    await this.#store.transact((view) => {
      if (this.#closed) return;
      if (this.#isTaken) this.#requireNotFollowed(view);
      if (runningProcess(view)?.id !== this.#process.id) this.#requireNoOther(view);
      this.#write(view, view.nowMs + PROCESS_LEASE_MS);
    });
    this.#isTaken = true;
  }

  /** A process that followed this one has written the logs, also where it has ended since. */
  #requireNotFollowed(view: RecordView): void {
    const found = records.process(view);
    if (found === undefined || found.id === this.#process.id) return;
    throw new ProcessRunsError(found, Math.max(0, found.expiresMs - view.nowMs));
  }

  /**
   * Hosts whose leases have expired are removed: one that stood still until then must not go on
   * beside this process. While its own lease lasts no other has begun.
   */
  #requireNoOther(view: RecordView): void {
    const hosts = records.hosts(view);
    const running = hosts.filter(({ expiresMs }) => expiresMs > view.nowMs);
    if (running.length > 0) {
      const endMs = Math.max(...running.map(({ expiresMs }) => expiresMs));
      throw new HostsRunError(running.map(({ host }) => host), endMs - view.nowMs);
    }
    requireNoProcess(view);
    for (const host of hosts) leaveHost(view, host);
    // A snapshot that one of them has begun does not count.
    if (hosts.length > 0) raiseCounts(view, { rewind: true });
  }

  #write(view: RecordView, expiresMs: number): void {
    view.setQuietly(recordKeys.process, json({ ...this.#process, expiresMs }));
  }

  /** A store that has seen newer records takes no others. */
  async #openAgain(): Promise<void> {
    await this.#store.close();
    this.#store = this.#options.openStore();
  }

  #renewLater(): void {
    this.#timer = this.#options.clock.schedule(PROCESS_LEASE_MS / RENEWALS, () => {
      this.#renewal = this.#renew();
    });
  }

  async #renew(): Promise<void> {
    try {
      await this.#take();
    } catch (error) {
      if (error instanceof ProcessRunsError || error instanceof HostsRunError) {
        return this.#options.onReplaced(error);
      }
      // Otherwise the server is away, which the logs say.
      if (error instanceof RecordsLostError) await this.#openAgain();
    }
    if (!this.#closed) this.#renewLater();
  }
}

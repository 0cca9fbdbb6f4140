/**
 * The lease of a process that belongs to no mesh on logs that several processes can write: two
 * writers would refuse each other's records. Hosts and other processes do not start while it lasts.
 */
import { hostname } from "node:os";
import type { SnapshotPublisher } from "../../actors/snapshotter/publisher.ts";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { HostRecord } from "../../mesh/ports/coordination.ts";
import { ProcessRunsError } from "../../mesh/ports/coordination_errors.ts";
import {
  RecordsLostError,
  type RecordStore,
  type RecordView,
} from "../../mesh/ports/record_store.ts";
import { leaveHost } from "../../mesh/runtime/coordination/host_rules.ts";
import {
  json,
  PROCESS_LEASE_MS,
  type ProcessRecord,
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
  /** Tells the process from others. Default: the same for all opens of this run of the program. */
  readonly id?: string;
}

/** Hosts of a mesh run, and one process was to use its logs. */
export class HostsRunError extends Error {
  override readonly name = "HostsRunError";
  constructor(hosts: readonly HostRecord[], view: Pick<RecordView, "nowMs">) {
    const leftSeconds = Math.ceil(Math.max(...hosts.map((host) => leftMs(host, view))) / 1_000);
    super(
      `Cannot use these logs: hosts of a mesh run on them (${namesOf(hosts)}), ` +
        "and this process is none of them. Stop all of them first; a host that was killed counts " +
        `for ${leftSeconds} s more. Another storage.redis.name has other logs.`,
    );
  }
}

/** Others that have not given their leases back, and that may be well. */
interface Others {
  readonly process: ProcessRecord | undefined;
  /** Hosts whose leases have expired. */
  readonly hosts: readonly HostRecord[];
}

export class OnlyProcess {
  readonly #options: OnlyProcessOptions;
  readonly #process;
  #store: RecordStore;
  #timer: Timer | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: OnlyProcessOptions) {
    this.#options = options;
    this.#process = { id: options.id ?? RUN_ID, machine: hostname(), pid: Deno.pid };
    this.#store = options.openStore();
  }

  /**
   * Takes the lease, after those of others where they are not renewed.
   *
   * @throws {HostsRunError} A host of the mesh has a lease, or renews it.
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
      await this.prolong();
      return {
        publish: () => this.prolong(),
        recordOldest: () => this.prolong().then(() => true, () => false),
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

  /**
   * Takes the lease, once others had the time of one to renew theirs: they may have been cut off,
   * as all are after an absence of the server. The lease of a process that is not renewed meanwhile
   * has ended, whatever the server's clock says: it may have been set back.
   */
  async #takeWhenFree(): Promise<void> {
    const { clock } = this.#options;
    const seen = await this.#store.transact((view) => this.#others(view));
    const isFree = seen.process === undefined && seen.hosts.length === 0;
    if (!isFree) {
      this.#tellOf(seen);
      await new Promise<void>((ended) => void clock.schedule(PROCESS_LEASE_MS, ended));
    }
    await this.#store.transact((view) => {
      const { process, hosts } = this.#others(view);
      if (process !== undefined && process.expiresMs !== seen.process?.expiresMs) {
        throw new ProcessRunsError(process, leftMs(process, view));
      }
      const back = hosts.filter(({ host, expiresMs }) =>
        !seen.hosts.some((each) => each.host === host && each.expiresMs === expiresMs)
      );
      if (back.length > 0) throw new HostsRunError(back, view);
      for (const host of hosts) leaveHost(view, host);
      // A snapshot that one of them has begun does not count.
      if (hosts.length > 0) raiseCounts(view, { rewind: true });
      this.#write(view, view.nowMs + PROCESS_LEASE_MS);
    });
  }

  /** @throws {HostsRunError} A host has a lease. */
  #others(view: RecordView): Others {
    const hosts = records.hosts(view);
    const running = hosts.filter((host) => leftMs(host, view) > 0);
    if (running.length > 0) throw new HostsRunError(running, view);
    const found = records.process(view);
    const isOther = found !== undefined && found.id !== this.#process.id && found.expiresMs > 0;
    return { process: isOther ? found : undefined, hosts };
  }

  #tellOf({ process, hosts }: Others): void {
    const { onWarning } = this.#options;
    if (process !== undefined) {
      const { message } = new ProcessRunsError(process, PROCESS_LEASE_MS);
      onWarning(`${message} This one waits ${PROCESS_LEASE_MS / 1_000} s for it to come back.`);
    }
    if (hosts.length > 0) {
      onWarning(
        `Hosts of a mesh have used these logs and were not stopped (${namesOf(hosts)}). ` +
          `This process waits ${
            PROCESS_LEASE_MS / 1_000
          } s for them to come back, and ends where ` +
          "one does.",
      );
    }
  }

  /**
   * Prolongs the lease.
   *
   * @throws {HostsRunError | ProcessRunsError} Others have taken the logs since.
   */
  async prolong(): Promise<void> {
    await this.#store.transact((view) => {
      if (this.#closed) throw new Error("this process has given its lease on the logs back");
      this.#requireNotFollowed(view);
      this.#write(view, view.nowMs + PROCESS_LEASE_MS);
    });
  }

  /** Others that came while the lease had ended have written the logs, whether they run or not. */
  #requireNotFollowed(view: RecordView): void {
    const hosts = records.hosts(view);
    if (hosts.length > 0) throw new HostsRunError(hosts, view);
    const found = records.process(view);
    if (found === undefined || found.id === this.#process.id) return;
    throw new ProcessRunsError(found, leftMs(found, view));
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
      await this.prolong();
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

/** Time until a lease ends by the server's clock, ms. */
function leftMs(
  { expiresMs }: { readonly expiresMs: number },
  { nowMs }: Pick<RecordView, "nowMs">,
) {
  return Math.max(0, expiresMs - nowMs);
}

function namesOf(hosts: readonly HostRecord[]): string {
  return hosts.map(({ host }) => host).join(", ");
}

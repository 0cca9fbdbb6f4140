/**
 * The lease of a process that belongs to no mesh on logs that several processes can write: two
 * writers would refuse each other's records. Hosts and other processes do not start while it lasts.
 */
import { hostname } from "node:os";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import { ProcessRunsError } from "../../mesh/ports/coordination_errors.ts";
import type { RecordStore, RecordView } from "../../mesh/ports/record_store.ts";
import { requireNoProcess } from "../../mesh/runtime/coordination/host_rules.ts";
import { json, recordKeys, records } from "../../mesh/runtime/coordination/record_keys.ts";

/** Length of the lease, ms: a process that is killed delays its next start by as much. */
const LEASE_MS = 5_000;
/** Renewals in the length of a lease. */
const RENEWALS = 3;

export interface OnlyProcessOptions {
  /** The records of the mesh under whose name the logs are; the process closes it. */
  readonly store: RecordStore;
  readonly clock: Clock;
  /** Takes why the start waits. */
  readonly onWarning: (warning: string) => void;
  /** Another process or a host writes the logs now: this process must stop. */
  readonly onReplaced: (error: Error) => void;
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
  readonly #process = { id: crypto.randomUUID(), machine: hostname(), pid: Deno.pid };
  #timer: Timer | undefined;
  #renewal: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: OnlyProcessOptions) {
    this.#options = options;
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
      await options.store.close();
      throw error;
    }
    opened.#renewLater();
    return opened;
  }

  /** Gives the lease back. Never fails: without the server it ends by itself. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#renewal;
    const { store } = this.#options;
    await store.transact((view) => {
      if (records.process(view)?.id === this.#process.id) this.#write(view, 0);
    }).catch(() => {});
    await store.close();
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
    await this.#options.store.transact((view) => {
      const running = records.hosts(view).filter(({ expiresMs }) => expiresMs > view.nowMs);
      if (running.length > 0) {
        const endMs = Math.max(...running.map(({ expiresMs }) => expiresMs));
        throw new HostsRunError(running.map(({ host }) => host), endMs - view.nowMs);
      }
      requireNoProcess(view, this.#process.id);
      this.#write(view, view.nowMs + LEASE_MS);
    });
  }

  #write(view: RecordView, expiresMs: number): void {
    view.setQuietly(recordKeys.process, json({ ...this.#process, expiresMs }));
  }

  #renewLater(): void {
    this.#timer = this.#options.clock.schedule(LEASE_MS / RENEWALS, () => {
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
      // The server is away, which the logs say.
    }
    if (!this.#closed) this.#renewLater();
  }
}

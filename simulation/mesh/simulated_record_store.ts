/**
 * The records of a mesh as one process of a simulation reaches them. It notices, as the production
 * store does, that the server went back to an older state.
 */
import { RECOVERY_STEP } from "../../mesh/ports/coordination.ts";
import {
  type RecordRule,
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
  type TransactOptions,
} from "../../mesh/ports/record_store.ts";
import { type ServerRun, sharedEnds } from "../../mesh/adapters/redis/server_past.ts";
import { RedisAwayError, type RedisLink } from "./redis_link.ts";

const NAME = "the simulated Redis";

export class SimulatedRecordStore implements RecordStore {
  readonly #link: RedisLink;
  /** The highest revision that an answer has named. */
  #seen = 0;
  readonly #closed = Promise.withResolvers<number>();
  /** The server's run that was checked last. */
  #run: ServerRun;

  constructor(link: RedisLink) {
    this.#link = link;
    this.#run = link.server.run;
  }

  transact<R>(rule: RecordRule<R>, options: TransactOptions = {}): Promise<R> {
    const { server } = this.#link;
    return this.#translated(this.#link.send(async () => {
      this.#checkRuns();
      const result = await server.transact((view) => {
        if (view.revision < this.#seen) {
          throw new RecordsLostError(NAME, this.#seen, view.revision);
        }
        return rule(view);
      }, options);
      this.#seen = Math.max(this.#seen, server.revision);
      return result;
    }, { isDurable: options.durable ?? true }));
  }

  watch(since: number, timeoutMs: number): Promise<number> {
    const { server } = this.#link;
    return Promise.race([
      this.#closed.promise,
      this.#translated(
        this.#link.send(() => server.watch(since, timeoutMs), { waitsMs: timeoutMs }),
      ),
    ]);
  }

  /** Ends the waits. */
  close(): Promise<void> {
    this.#closed.resolve(this.#seen);
    return Promise.resolve();
  }

  /** @throws {RecordsLostError} The server lacks a record that this process has seen. */
  #checkRuns(): void {
    const { run, revision } = this.#link.server;
    if (run.id === this.#run.id) return;
    const [shared] = sharedEnds(this.#run, run, ["records"]);
    if (shared < this.#seen && revision < shared + RECOVERY_STEP) {
      throw new RecordsLostError(NAME, this.#seen, shared);
    }
    this.#run = run;
  }

  async #translated<R>(sent: Promise<R>): Promise<R> {
    try {
      return await sent;
    } catch (error) {
      if (!(error instanceof RedisAwayError)) throw error;
      throw new RecordStoreUnavailableError(NAME, error);
    }
  }
}

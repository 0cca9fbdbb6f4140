/**
 * Records in memory: for one process, for tests and for the simulation.
 */
import type { Clock } from "../../ports/clock.ts";
import {
  declarationCheck,
  isApart,
  type Json,
  type RecordRule,
  type RecordStore,
  type RecordView,
  type TransactOptions,
} from "../../ports/record_store.ts";
import { invariant } from "../../../structures/invariant.ts";
import { Listeners } from "../../runtime/listeners.ts";

/** Values are stored as text, so that no caller shares an object with the store. */
export class MemoryRecordStore implements RecordStore {
  readonly #clock: Clock;
  readonly #changed = new Listeners<[]>();
  #records = new Map<string, string>();
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  transact<R>(rule: RecordRule<R>, options: TransactOptions = {}): Promise<R> {
    const written = new Map<string, string | undefined>();
    let revisions = 0;
    const read = (key: string): Json | undefined => {
      const text = written.has(key) ? written.get(key) : this.#records.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    };
    const requireDeclared = declarationCheck(options);
    const view: RecordView = {
      nowMs: this.#clock.nowMs(),
      revision: this.#revision,
      get: (key) => {
        requireDeclared(key);
        return read(key);
      },
      entries: (prefix) => {
        invariant(!options.keys, "a transaction that lists records declares no keys");
        const all = new Set([...this.#records.keys(), ...written.keys()]);
        const found = [...all].filter((key) => key.startsWith(prefix) && !isApart(key));
        return found.sort().flatMap((key) => {
          const value = read(key);
          return value === undefined ? [] : [[key, value] as const];
        });
      },
      set: (key, value) => {
        written.set(key, JSON.stringify(value));
        revisions = Math.max(1, revisions);
      },
      setQuietly: (key, value) => void written.set(key, JSON.stringify(value)),
      delete: (key) => {
        written.set(key, undefined);
        revisions = Math.max(1, revisions);
      },
      skipRevisions: (steps) => void (revisions += steps),
    };
    let result: R;
    try {
      result = rule(view);
    } catch (error) {
      return Promise.reject(error);
    }
    for (const [key, text] of written) {
      if (text === undefined) this.#records.delete(key);
      else this.#records.set(key, text);
    }
    this.#revision += revisions;
    if (revisions > 0) this.#changed.tell();
    return Promise.resolve(result);
  }

  watch(since: number, timeoutMs: number): Promise<number> {
    if (this.#revision > since || timeoutMs <= 0) return Promise.resolve(this.#revision);
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        remove();
        resolve(this.#revision);
      };
      const timer = this.#clock.schedule(timeoutMs, end);
      const remove = this.#changed.add(end);
    });
  }

  /** The waits end as if their time had passed. */
  close(): Promise<void> {
    this.#changed.tell();
    return Promise.resolve();
  }
}

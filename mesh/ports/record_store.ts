/**
 * A small store of named records that the processes of a mesh share: leases, placement, plans.
 *
 * A transaction reads records, decides by a rule, and writes, as one atomic step. The rule is a
 * pure function, so the same rules run over memory, over Redis and in the simulation.
 */

import { invariant } from "../../structures/invariant.ts";

/** A value that JSON can hold. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/**
 * Begins the keys of records apart, which a transaction over all records leaves out: nothing is
 * decided from them, so frequent looks need not read them.
 */
export const APART_PREFIX = "apart/";

/** Whether a key is that of a record apart. */
export function isApart(key: string): boolean {
  return key.startsWith(APART_PREFIX);
}

/** Makes the check that a transaction has declared a key that it reads. */
export function declarationCheck({ keys }: TransactOptions): (key: string) => void {
  const declared = keys && new Set(keys);
  return (key) => {
    const isDeclared = declared ? declared.has(key) : !isApart(key);
    invariant(isDeclared, "a transaction declares the keys that it reads");
  };
}

/** The records as one transaction sees them. */
export interface RecordView {
  /** The store's wall time, ms since the Unix epoch: it judges the leases of all processes. */
  readonly nowMs: number;
  /** Number of the last change that watchers were told of. */
  readonly revision: number;
  /** The record; undefined where there is none. */
  get(key: string): Json | undefined;
  /** The records whose keys begin with `prefix`, ascending by key; none apart. */
  entries(prefix: string): readonly (readonly [key: string, value: Json])[];
  /** Writes a record, raises the revision and wakes the watchers. */
  set(key: string, value: Json): void;
  /**
   * Writes a record that no watcher waits for, such as a renewed lease. The transaction does not
   * wait until it survives the end of the store's process: the next renewal repairs its loss.
   */
  setQuietly(key: string, value: Json): void;
  /** Deletes a record, raises the revision and wakes the watchers. */
  delete(key: string): void;
  /** Raises the revision by `steps` more than the change itself does. */
  skipRevisions(steps: number): void;
}

/**
 * Decides and writes; called again with newer records when another transaction came between. An
 * error that it throws leaves the store unchanged.
 */
export type RecordRule<R> = (records: RecordView) => R;

/** Options of {@link RecordStore.transact}. */
export interface TransactOptions {
  /**
   * The keys that the rule reads, which spares reading all records; default: all records but those
   * apart.
   */
  readonly keys?: readonly string[];
  /**
   * Whether to wait until writes that watchers are told of survive the end of the store's process;
   * default true.
   */
  readonly durable?: boolean;
}

/** The records of one mesh. */
export interface RecordStore {
  /**
   * Runs the rule over the present records and writes its result atomically.
   *
   * @throws {RecordStoreUnavailableError} The store does not answer. Whether the rule's writes were
   * made is unknown: rules are written so that the same transaction can be made again.
   * @throws {RecordsLostError} The store holds an older state than one that was seen before.
   */
  transact<R>(rule: RecordRule<R>, options?: TransactOptions): Promise<R>;
  /**
   * Waits for a change: resolves with the present revision as soon as it is above `since`, or with
   * the last one known after `timeoutMs`.
   *
   * @throws {RecordStoreUnavailableError} The store does not answer.
   */
  watch(since: number, timeoutMs: number): Promise<number>;
  /** Ends the waits and closes the connections. */
  close(): Promise<void>;
}

/** The store of the mesh's records does not answer. */
export class RecordStoreUnavailableError extends Error {
  override readonly name = "RecordStoreUnavailableError";
  readonly isAway = true;
  constructor(readonly store: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `Cannot reach ${store}: ${
        reason.replace(/\.$/, "")
      }. Nothing moves until it answers; rankings go on. Check that it runs and that its address and password are right.`,
      { cause },
    );
  }
}

/** The store went back to an older state: it lost writes, or was restored from an old copy. */
export class RecordsLostError extends Error {
  override readonly name = "RecordsLostError";
  constructor(readonly store: string, readonly seen: number, readonly found: number) {
    super(
      `${store} is at revision ${found}, and the mesh was at revision ${seen}: it lost writes at a failover or was restored from old data. Nothing moves. Restore the newer data, or accept the loss by \`cairn recover --accept-loss\`, which restores every shard from the newest snapshot.`,
    );
  }
}

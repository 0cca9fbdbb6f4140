/**
 * One run of a rule over records that were read, with the keys that it has read and written.
 */
import {
  declarationCheck,
  isApart,
  type Json,
  type RecordView,
  type TransactOptions,
} from "../../ports/record_store.ts";
import { invariant } from "../../../structures/invariant.ts";
import { REVISION } from "./record_scripts.ts";

/** Records as a transaction has read them. */
export interface ReadRecords {
  readonly nowMs: number;
  readonly revision: number;
  /** Texts by key: all records but those apart, or the declared ones that exist. */
  readonly fields: ReadonlyMap<string, string>;
}

export class RecordAttempt {
  readonly view: RecordView;
  readonly #read: ReadRecords;
  readonly #compared = new Set<string>();
  readonly #written = new Map<string, string | undefined>();
  #listed = false;
  #steps = 0;

  constructor(read: ReadRecords, options: TransactOptions) {
    this.#read = read;
    const requireDeclared = declarationCheck(options);
    const value = (key: string): Json | undefined => {
      const text = this.#written.has(key) ? this.#written.get(key) : read.fields.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    };
    const change = (key: string, text: string | undefined) => {
      invariant(key !== REVISION, "a record has another key than the revision");
      this.#written.set(key, text);
    };
    this.view = {
      nowMs: read.nowMs,
      revision: read.revision,
      get: (key) => {
        requireDeclared(key);
        this.#compared.add(key);
        return value(key);
      },
      entries: (prefix) => {
        invariant(!options.keys, "a transaction that lists records declares no keys");
        this.#listed = true;
        const all = new Set([...read.fields.keys(), ...this.#written.keys()]);
        const found = [...all].filter((key) => key.startsWith(prefix) && !isApart(key));
        return found.sort().flatMap((key) => {
          this.#compared.add(key);
          const present = value(key);
          return present === undefined ? [] : [[key, present] as const];
        });
      },
      set: (key, value) => {
        change(key, JSON.stringify(value));
        this.#steps = Math.max(1, this.#steps);
      },
      setQuietly: (key, value) => change(key, JSON.stringify(value)),
      delete: (key) => {
        change(key, undefined);
        this.#steps = Math.max(1, this.#steps);
      },
      skipRevisions: (steps) => void (this.#steps += steps),
    };
  }

  get isWriting(): boolean {
    return this.#written.size > 0 || this.isTold;
  }

  /** Whether watchers are told of the writes. */
  get isTold(): boolean {
    return this.#steps > 0;
  }

  /** The arguments of the write script. */
  arguments(): (string | number)[] {
    const entry = (
      key: string,
      text: string | undefined,
    ) => [key, text === undefined ? 0 : 1, text ?? ""];
    return [
      this.#listed ? this.#read.revision : "",
      this.#steps,
      this.#compared.size,
      ...[...this.#compared].flatMap((key) => entry(key, this.#read.fields.get(key))),
      ...[...this.#written].flatMap(([key, text]) => entry(key, text)),
    ];
  }
}

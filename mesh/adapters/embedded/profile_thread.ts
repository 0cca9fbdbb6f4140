/**
 * A writer of profiles in a thread of its own: the sync of a commit takes milliseconds, and moving
 * the write-ahead log tens of them, in which the calling thread answers requests.
 *
 * The thread starts with the first request. If it fails, its commits fail, and the next one starts
 * another thread.
 */
import { present } from "../../../structures/invariant.ts";
import type { ProfileKind } from "../../ports/profile_store.ts";
import { ProfileRowError } from "./profile_table.ts";
import type {
  ProfileChange,
  ProfileCommits,
  ProfileWrite,
  ProfileWriterOptions,
} from "./profile_writer.ts";

/** Requests to the thread, which answers each one, in order. */
export type ProfileThreadRequest =
  | { readonly kind: "open"; readonly options: ProfileWriterOptions }
  | { readonly kind: "commit"; readonly writes: readonly ProfileWrite[]; readonly nowMs: number }
  | { readonly kind: "moveLog" }
  | { readonly kind: "close" };

export type ProfileThreadAnswer =
  | { readonly kind: "done"; readonly changes: ProfileChange[] }
  | { readonly kind: "failed"; readonly message: string; readonly errcode?: number }
  | { readonly kind: "rowDamaged"; readonly profile: ProfileKind; readonly id: string };

/** A started thread and the requests that it has not answered. */
interface Thread {
  readonly worker: Worker;
  readonly waiting: PromiseWithResolvers<ProfileChange[]>[];
}

/** Opens a writer in a thread of its own. */
export function writeInThread(options: ProfileWriterOptions): ProfileCommits {
  return new ProfileThread(options);
}

class ProfileThread implements ProfileCommits {
  readonly #options: ProfileWriterOptions;
  #thread: Thread | undefined;

  constructor(options: ProfileWriterOptions) {
    this.#options = options;
  }

  async commit(writes: readonly ProfileWrite[], nowMs: number): Promise<ProfileChange[]> {
    this.#thread ??= this.#start();
    return await ask(this.#thread, { kind: "commit", writes, nowMs });
  }

  async moveLog(): Promise<void> {
    this.#thread ??= this.#start();
    await ask(this.#thread, { kind: "moveLog" });
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    await ask(thread, { kind: "close" }).catch(() => {});
    thread.worker.terminate();
  }

  #start(): Thread {
    const entry = new URL("./profile_worker.ts", import.meta.url);
    const worker = new Worker(entry, { type: "module", name: "profiles" });
    const thread: Thread = { worker, waiting: [] };
    const fail = (error: Error) => {
      if (this.#thread === thread) this.#thread = undefined;
      worker.terminate();
      for (const { reject } of thread.waiting.splice(0)) reject(error);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(new Error(`the thread that writes profiles failed: ${event.message}`));
    };
    worker.onmessage = ({ data }: MessageEvent<ProfileThreadAnswer>) => {
      const { resolve, reject } = present(thread.waiting.shift(), "each answer has its request");
      if (data.kind === "done") resolve(data.changes);
      else reject(errorOf(data));
    };
    // Without its database the thread is of no use.
    ask(thread, { kind: "open", options: this.#options }).catch(fail);
    return thread;
  }
}

function ask({ worker, waiting }: Thread, request: ProfileThreadRequest): Promise<ProfileChange[]> {
  const answer = Promise.withResolvers<ProfileChange[]>();
  waiting.push(answer);
  worker.postMessage(request);
  return answer.promise;
}

function errorOf(failure: Exclude<ProfileThreadAnswer, { readonly kind: "done" }>): Error {
  if (failure.kind === "rowDamaged") return new ProfileRowError(failure.profile, failure.id);
  const { message, errcode } = failure;
  return Object.assign(new Error(message), { errcode });
}

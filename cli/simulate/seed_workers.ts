/**
 * Runs seeds in threads of their own, one a core. A thread is replaced after some seeds: each
 * WebAssembly memory of a run reserves address space until its thread ends.
 */
import type { SeedResult, SeedTask } from "../../simulation/seed_run.ts";
import type { WorkerCampaign } from "./seed_worker.ts";

/** Seeds that one thread runs. */
const SEEDS_PER_WORKER = 25;

interface Answer {
  readonly result?: SeedResult;
  readonly error?: string;
}

/** The seeds that run or wait ended because the campaign did. */
export class CampaignEndedError extends Error {
  override readonly name = "CampaignEndedError";
  constructor() {
    super("the campaign ended before this seed");
  }
}

/** Threads that run the seeds of one campaign. */
export class SeedWorkers {
  readonly #campaign: WorkerCampaign;
  readonly #workers = new Set<Worker>();
  /** Threads without work, and the seeds that each has run. */
  readonly #idle: { readonly worker: Worker; seeds: number }[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #ended = Promise.withResolvers<never>();
  #free: number;
  #closed = false;

  /** @param count Threads at most. */
  constructor(campaign: WorkerCampaign, count: number) {
    this.#campaign = campaign;
    this.#free = count;
    this.#ended.promise.catch(() => {}); // no seed may be under way
  }

  /**
   * Runs a seed as soon as a thread is free.
   *
   * @throws {CampaignEndedError} The threads were ended before.
   */
  run(task: SeedTask): Promise<SeedResult> {
    return Promise.race([this.#run(task), this.#ended.promise]);
  }

  async #run(task: SeedTask): Promise<SeedResult> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    if (this.#closed) throw new CampaignEndedError();
    const entry = this.#idle.pop() ?? { worker: this.#start(), seeds: 0 };
    try {
      return await ask(entry.worker, task);
    } finally {
      if (++entry.seeds === SEEDS_PER_WORKER) this.#end(entry.worker);
      else this.#idle.push(entry);
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Ends the threads at once, also those with seeds under way: their files may be removed now. */
  close(): void {
    this.#closed = true;
    this.#ended.reject(new CampaignEndedError());
    for (const worker of this.#workers) this.#end(worker);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./seed_worker.ts", import.meta.url), { type: "module" });
    this.#workers.add(worker);
    worker.postMessage(this.#campaign);
    return worker;
  }

  #end(worker: Worker): void {
    this.#workers.delete(worker);
    worker.terminate();
  }
}

function ask(worker: Worker, task: SeedTask): Promise<SeedResult> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.result !== undefined) resolve(data.result);
      else reject(new Error(`seed ${task.seed}: ${data.error}`));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`seed ${task.seed}: ${event.message}`));
    };
    worker.postMessage(task);
  });
}

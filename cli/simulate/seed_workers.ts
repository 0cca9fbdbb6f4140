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

/** Threads that run the seeds of one campaign. */
export class SeedWorkers {
  readonly #campaign: WorkerCampaign;
  /** Threads without work, and the seeds that each has run. */
  readonly #idle: { readonly worker: Worker; seeds: number }[] = [];
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #closed = false;

  /** @param count Threads at most. */
  constructor(campaign: WorkerCampaign, count: number) {
    this.#campaign = campaign;
    this.#free = count;
  }

  /** Runs a seed as soon as a thread is free. */
  async run(task: SeedTask): Promise<SeedResult> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    const entry = this.#idle.pop() ?? { worker: this.#start(), seeds: 0 };
    try {
      return await ask(entry.worker, task);
    } finally {
      if (++entry.seeds === SEEDS_PER_WORKER || this.#closed) entry.worker.terminate();
      else this.#idle.push(entry);
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Ends the threads; seeds under way get no result. */
  close(): void {
    this.#closed = true;
    for (const { worker } of this.#idle.splice(0)) worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./seed_worker.ts", import.meta.url), { type: "module" });
    worker.postMessage(this.#campaign);
    return worker;
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

/**
 * A small real mesh, in either placement, with a client of its HTTP interface.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { waitReady } from "../../server/waits.ts";

export const placements = {
  "in one thread": "{ kind: singleThread }",
  "in worker threads": "{ kind: workers, shardThreads: 2, scoringThread: own }",
} as const;

/** Further placements, for the tests of the whole journey of a ranking. */
export const allPlacements = {
  ...placements,
  "in worker threads, scores in the main thread":
    "{ kind: workers, shardThreads: 2, scoringThread: main }",
} as const;

export type PlacementName = keyof typeof allPlacements;

/** Appended to a {@link smallConfiguration}: items are found among all stored ones. */
export const recommendations = `attributes: { item: { price: number, hidden: boolean } }
recommend: { enabled: true, recentBy: price }
`;

export function smallConfiguration(
  placement: PlacementName,
  storage = "{ kind: memory }",
  trainers = 1,
): string {
  return `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    tags: { kind: list, source: item, pooling: mean }
model: { kind: deepFm, embeddingDim: 4, hidden: [8], tasks: [clicked] }
embeddings:
  bytesMax: 64MiB
  slices:
    first_order:
      optimizer: { kind: adagrad, learningRate: 0.3, initialAccumulator: 0.01 }
    embeddings:
      optimizer: { kind: adagrad, learningRate: 0.3, initialAccumulator: 0.01 }
  serving: { bytesMax: 64MiB }
joiner:
  window: 2s
  tasks:
    clicked:
      - { action: click, label: positive, final: true }
      - { action: dismiss, label: negative, final: true }
trainer: { count: ${trainers}, averageInterval: 30ms, batchRows: 32, linger: 5ms }
shards: { count: 4 }
sync: { rowsInterval: 10ms, denseInterval: 20ms }
placement: ${allPlacements[placement]}
storage: ${storage}
gateway: { deadline: 5s, stopAfter: 0ms }
`;
}

export interface Ranking {
  readonly rankingId: string;
  readonly modelVersion: number;
  readonly learnedThroughMs: number;
  readonly items: readonly {
    readonly id: string;
    readonly score: number;
    readonly cold: boolean;
  }[];
  readonly note?: string;
}

export interface EventResult {
  readonly eventId: string;
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly acceptedAtMs: number;
  /** The ranking that an event which named its user went to. */
  readonly rankingId?: string;
}

/** It names its ranking, or its user. */
export interface Event {
  readonly eventId: string;
  readonly rankingId?: string;
  readonly user?: string;
  readonly item: string;
  readonly action: string;
  readonly value?: number;
}

/** Time without any progress after which scores count as standing still, ms. */
const STALLED_MS_MAX = 60_000;

/** Speaks JSON to a mesh through a function with the shape of `fetch`. */
export class Client {
  constructor(readonly send: (request: Request) => Response | Promise<Response>) {}

  async rank(user: string, items: readonly string[]): Promise<Ranking> {
    const candidates = items.map((id) => ({ id }));
    return await this.#post("/v1/rank", { user, candidates }) as Ranking;
  }

  /** Asks a path with a JSON body for a ranking. */
  async ask(path: string, body: unknown): Promise<Ranking> {
    return await this.#post(path, body) as Ranking;
  }

  async post(events: readonly Event[]): Promise<readonly EventResult[]> {
    const answer = await this.#post("/v1/events", events) as { events: EventResult[] };
    return answer.events;
  }

  /**
   * The first ranking that has learned from all that was accepted until then. It may take long on a
   * busy machine, so the limit is on the time without any progress.
   */
  async rankFresh(user: string, items: readonly string[], acceptedAtMs: number): Promise<Ranking> {
    let freshest = -Infinity;
    let deadlineMs = 0;
    for (;;) {
      const ranking = await this.rank(user, items);
      const { learnedThroughMs } = ranking;
      if (learnedThroughMs >= acceptedAtMs) return ranking;
      if (learnedThroughMs > freshest) {
        freshest = learnedThroughMs;
        deadlineMs = performance.now() + STALLED_MS_MAX;
      }
      assert.ok(
        performance.now() < deadlineMs,
        `scores have learned through ${freshest} for ${STALLED_MS_MAX} ms, not ${acceptedAtMs}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async text(path: string): Promise<string> {
    const response = await this.send(new Request(`http://cairn${path}`));
    return await response.text();
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await this.send(
      new Request(`http://cairn${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    const answer = await response.json();
    assert.ok(response.ok, `${path} answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }
}

export interface SmallMesh {
  readonly mesh: RunningMesh;
  readonly client: Client;
  readonly problems: string[];
}

export async function startSmallMesh(yaml: string): Promise<SmallMesh> {
  // Only here: most tests talk to processes and load no server.
  const { startMesh } = await import("../../server/machine/start_mesh.ts");
  const problems: string[] = [];
  const mesh = await startMesh(parseConfiguration(yaml, "cairn.yaml"), {
    writeLog: ({ level, message, fields }) => {
      if (level === "error" || level === "warn") {
        problems.push(`${level}: ${message} ${JSON.stringify(fields)}`);
      }
    },
    onFatal: (error) => problems.push(`fatal: ${error.message}`),
  });
  await waitReady(mesh);
  const client = new Client(mesh.fetch);
  await waitLoaded(client);
  return { mesh, client, problems };
}

/** Resolves when rankings use all rows that the shards have loaded; they are answered before. */
export async function waitLoaded(client: Client): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const health = await client.text("/health/ready");
    if (!health.includes('"rows-loading"')) return;
    assert.ok(performance.now() < deadlineMs, health);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function scoreOf(ranking: Ranking, item: string): number {
  const found = ranking.items.find(({ id }) => id === item);
  assert.ok(found, `${item} is not in the answer`);
  return found.score;
}

/** Fills a mesh with rows, and measures its snapshots and rankings. */
import process from "node:process";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { DirectoryBlobStore } from "../../../mesh/adapters/embedded/directory_blob_store.ts";
import { bytesWritten, readManifests } from "../../../records/snapshot_manifest.ts";
import type { RunningMesh } from "../../../server/compose.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { addresses } from "../../../server/addresses.ts";
import { waitLearned, waitReady } from "../../../server/waits.ts";
import { present } from "../../../structures/invariant.ts";

export interface Filled {
  readonly snapshotBytesFull: number;
  readonly snapshotBytesAfterPercent: number;
  readonly snapshotSecondsFull: number;
  readonly snapshotSecondsAfterPercent: number;
  readonly coreMicrosPerRanking: number;
  /** Bytes of the training and the serving tables. */
  readonly bytesPerRow: number;
}

const SHARDS = 4;
const CANDIDATES = 100;
const RANKINGS = 1_000;
const WARM_UP = 300;
const BATCH = 5_000;
const BUDGET = { budgetMs: 600_000 };

/** Memory that the training tables may take: twice the bytes of a row. */
function tableBytes(rows: number): number {
  return Math.max(256 * 2 ** 20, rows * 400);
}

export function configurationText(directory: string, rows: number, port: number): string {
  return `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
joiner:
  window: 1h
  impressionsBytesMax: 64MiB
  tasks: { click: [{ action: click, label: positive, final: true }] }
model: { kind: deepFm, embeddingDim: 16, hidden: [64], tasks: [click] }
embeddings: { bytesMax: ${Math.ceil(tableBytes(rows) / 2 ** 20)}MiB, evictionInterval: 1h }
shards: { count: ${SHARDS} }
storage:
  kind: directory
  path: ${JSON.stringify(`${directory}/data`)}
  snapshots: { interval: 1h, spread: 0ms }
placement: { kind: workers, shardThreads: 2 }
gateway: { host: 127.0.0.1, port: ${port} }
`;
}

export async function fill(directory: string, rows: number, share: number): Promise<Filled> {
  const configuration = parseConfiguration(configurationText(directory, rows, 0), "bench.yaml");
  const mesh = await startMesh(configuration, {
    logLevelMin: "warn",
    writeLog: (line) => console.error(line),
    onFatal: (error) => {
      console.error(error);
      Deno.exit(1);
    },
  });
  await waitReady(mesh);
  const filler = await Filler.open(mesh);
  await learnOne(mesh);
  await filler.touch(0, rows);
  const full = await snapshot(mesh, directory);
  await filler.touch(0, Math.round(rows * share));
  await learnOne(mesh);
  const after = await snapshot(mesh, directory);
  await filler.waitServed();
  const coreMicrosPerRanking = await rankings(mesh, rows);
  const bytesPerRow = await filler.bytes() / rows;
  // Killed rather than stopped: a stop would take a third snapshot.
  return {
    snapshotBytesFull: full.bytes,
    snapshotBytesAfterPercent: after.bytes,
    snapshotSecondsFull: full.seconds,
    snapshotSecondsAfterPercent: after.seconds,
    coreMicrosPerRanking,
    bytesPerRow,
  };
}

async function snapshot({ snapshotter }: RunningMesh, directory: string) {
  const ref = present(snapshotter, "a directory has snapshots");
  for (;;) {
    const beganAtMs = performance.now();
    const { name } = await ref.ask({ kind: "takeSnapshot" }, BUDGET);
    const seconds = Number(((performance.now() - beganAtMs) / 1_000).toFixed(2));
    if (name !== undefined) {
      const [newest] = await readManifests(new DirectoryBlobStore(`${directory}/data/blobs`));
      return { bytes: bytesWritten(newest), seconds };
    }
    // The example is still on its way to the trainer.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function post(mesh: RunningMesh, path: string, body: unknown) {
  const response = await mesh.fetch(
    new Request(`http://cairn${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  const answer = await response.json();
  if (response.status !== 200) throw new Error(JSON.stringify(answer).slice(0, 500));
  return answer;
}

/** One example for the trainer, without which there is no reason for a snapshot. */
async function learnOne(mesh: RunningMesh): Promise<void> {
  const { rankingId } = await post(mesh, "/v1/rank", { user: "u1", candidates: [{ id: "i1" }] });
  const eventId = crypto.randomUUID();
  await post(mesh, "/v1/events", [{ eventId, rankingId, item: "i1", action: "click" }]);
  await waitLearned(mesh);
}

async function rankings(mesh: RunningMesh, rows: number): Promise<number> {
  const rank = (number: number) => {
    const items = Array.from(
      { length: CANDIDATES },
      (_, i) => ({ id: `i${(Math.imul(number * CANDIDATES + i, 0x9E3779B1) >>> 0) % rows}` }),
    );
    return post(mesh, "/v1/rank", { user: `u${number}`, candidates: items });
  };
  for (let i = 0; i < WARM_UP; i++) await rank(i);
  const before = process.cpuUsage();
  for (let i = 0; i < RANKINGS; i++) await rank(WARM_UP + i);
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / RANKINGS);
}

/** Updates rows of items in the training shards. */
class Filler {
  readonly #mesh: RunningMesh;
  readonly #extractor: FeatureExtractor;
  readonly #kernel = BatchKernel.create();
  readonly #shards;
  #sequence = 0;

  private constructor(mesh: RunningMesh, shards: Awaited<ReturnType<typeof openShards>>) {
    this.#mesh = mesh;
    this.#shards = shards;
    const { schema } = mesh.configuration.features;
    this.#extractor = new FeatureExtractor(schema, FeatureHasher.create());
  }

  static async open(mesh: RunningMesh): Promise<Filler> {
    return new Filler(mesh, await openShards(mesh));
  }

  async touch(from: number, to: number): Promise<void> {
    const [width] = this.#mesh.configuration.servingReplica.widths;
    for (let begin = from; begin < to; begin += BATCH) {
      const { ids } = this.#extractor.extract({
        user: "u1",
        userAttributes: {},
        context: {},
        atMs: 0,
        items: Array.from({ length: Math.min(BATCH, to - begin) }, (_, i) => ({
          id: `i${begin + i}`,
          fields: {},
        })),
      });
      const { uniqueIds, groupStarts, counts } = this.#kernel.unique(ids, SHARDS);
      const sequence = ++this.#sequence;
      await Promise.all(this.#shards.map(async ({ ref, opening }, shard) => {
        const [first, end] = [groupStarts[shard], groupStarts[shard + 1]];
        if (first === end) return;
        await ref.ask({
          kind: "applyGradients",
          source: "fill",
          opening,
          sequence,
          ids: uniqueIds.slice(first, end),
          starts: Uint32Array.of(0, end - first),
          gradients: new Float32Array((end - first) * width).fill(0.01),
          counts: counts.slice(first, end),
          atMs: 0,
        }, BUDGET);
      }));
    }
  }

  async #statistics() {
    return await Promise.all(this.#shards.map(async ({ ref }, shard) => {
      const served = this.#mesh.mesh.actorRef<ServingReplicaMessage>(
        addresses.servingReplica(shard, 0),
      );
      const ask = { kind: "getStatistics" } as const;
      return { learned: await ref.ask(ask, BUDGET), served: await served.ask(ask, BUDGET) };
    }));
  }

  /** Waits until the serving replicas have the rows. */
  async waitServed(): Promise<void> {
    for (;;) {
      const all = await this.#statistics();
      if (all.every(({ learned, served }) => learned.rows === served.rows)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async bytes(): Promise<number> {
    const all = await this.#statistics();
    return all.reduce((sum, { learned, served }) => sum + learned.bytes + served.bytes, 0);
  }
}

function openShards({ mesh }: RunningMesh) {
  return Promise.all(Array.from({ length: SHARDS }, async (_, shard) => {
    const ref = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, 0));
    return { ref, opening: await ref.ask({ kind: "openSource", source: "fill" }, BUDGET) };
  }));
}

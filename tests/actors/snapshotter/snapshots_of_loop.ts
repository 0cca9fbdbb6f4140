/**
 * A loop that takes snapshots, and a ledger of what its shards have learned: each example must be
 * in the rows once, however often shards and trainers start again.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { defineSnapshotter } from "../../../actors/snapshotter/definition.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import type { SnapshotPublisher } from "../../../actors/snapshotter/publisher.ts";
import type { SnapshotterMessage } from "../../../actors/snapshotter/protocol.ts";
import type { SnapshotFailure } from "../../../mesh/ports/snapshot_failure.ts";
import type { ActorContext, ActorRef } from "../../../mesh/runtime/actor.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

export const BUDGET = { budgetMs: 10_000 };
export const SHARDS = 3;

/** How often each id is learned in the shards' rows; a restart takes the counts of the snapshot. */
class Ledger {
  readonly #rows = new Map<string, Map<bigint, number>>();
  readonly #cuts = new Map<string, Map<bigint, number>>();

  /** A shard starts with the rows of the newest snapshot. */
  begin(address: string, snapshot: string | undefined): void {
    this.#rows.set(address, new Map(snapshot ? this.#cuts.get(`${snapshot} ${address}`) : []));
  }

  handled(address: string, message: EmbeddingShardMessage, answer: unknown): void {
    const rows = this.#rows.get(address)!;
    if (message.kind === "beginSnapshot") {
      this.#cuts.set(`${message.snapshot} ${address}`, new Map(rows));
    } else if (message.kind === "applyGradients" && (answer as { applied: boolean }).applied) {
      message.ids.forEach((id, i) => rows.set(id, (rows.get(id) ?? 0) + message.counts[i]));
    }
  }

  total(): Map<bigint, number> {
    return new Map([...this.#rows.values()].flatMap((rows) => [...rows]).sort());
  }
}

export interface World {
  loop: Loop;
  readonly ledger: Ledger;
  readonly snapshotter: ActorRef<SnapshotterMessage>;
  /** Ends the snapshotter, and starts another one in its place. */
  readonly replaceSnapshotter: () => Promise<void>;
  /** The outcomes of attempts that the snapshotter has told; undefined = it succeeded. */
  readonly told: (SnapshotFailure | undefined)[];
  /** Whether the trainer's next step fails. */
  failsStep?: boolean;
}

/** Starts a loop with a snapshotter, and counts what its shards learn. */
export async function start(
  {
    snapshotsRetained = 100,
    trainers = 1,
    exampleBytesMax = Infinity,
    intervalMs = 3_600_000,
    spreadMs = 0,
    snapshotChunkRows = 64,
  } = {},
  publisher?: SnapshotPublisher,
): Promise<World> {
  const ledger = new Ledger();
  // Set later: the first shards start inside Loop.start, before any snapshot.
  const world: Partial<World> = {};
  const loop = await Loop.start({
    shards: SHARDS,
    trainers,
    exampleBytesMax,
    joiner: { lingerMs: 10 },
    trainer: { batchRows: 8, shardBudgetMs: 100, shardAttemptsMax: 2 },
    interference: {
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => {
            if (!world.failsStep) return session.step(batch);
            world.failsStep = false;
            return Promise.reject(new Error("injected failure of the step"));
          },
        }),
      shard: (definition) => ({
        ...definition,
        create: async (context, options) => {
          const address = context.self.address;
          const [newest] = world.loop ? await readManifests(world.loop.blobs) : [];
          ledger.begin(address, newest?.name);
          const watched: ActorContext<EmbeddingShardMessage> = altered(context, {
            reply: (message, value, transfer) => {
              ledger.handled(address, message as EmbeddingShardMessage, value);
              context.reply(message, value, transfer);
            },
          });
          return await definition.create(watched, { ...options, snapshotChunkRows });
        },
      }),
    },
  });
  world.loop = loop;
  const { blobs, exampleLog } = loop;
  const { mesh } = loop;
  const told: (SnapshotFailure | undefined)[] = [];
  const startSnapshotter = () =>
    mesh.settle(
      mesh.node().spawn(
        defineSnapshotter({
          blobs,
          exampleLog,
          onOutcome: (failure) => told.push(failure),
          ...(publisher && { publisher }),
        }),
        0,
        {
          trainers: loop.trainers,
          dealing: 0,
          partitions: exampleLog.partitions,
          shards: Array.from({ length: SHARDS }, (_, shard) => `embedding_shard/${shard}` as const),
          intervalMs,
          spreadMs,
          snapshotsRetained,
          incrementsMax: 3,
          incrementsShare: 1,
          budgetMs: Math.max(5_000, 2 * spreadMs),
        },
      ),
    );
  const snapshotter = await startSnapshotter();
  const replaceSnapshotter = async () => {
    await mesh.settle(mesh.node().stopActor("snapshotter/0", 0));
    await startSnapshotter();
  };
  return Object.assign(world, { loop, ledger, snapshotter, replaceSnapshotter, told });
}

/** Each visitor clicks three items, and half a second passes at the end. */
export async function visit(loop: Loop, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const items = [0, 1, 2].map((k) => `item-${(i * 7 + k * 3) % 20}`);
    const { rankingId } = await loop.rank(`user-${i % 5}`, items);
    for (const item of items) await loop.act(rankingId, item, "click");
  }
  await loop.mesh.advance(500);
}

/** How often each id is in the example log. */
async function occurrences(loop: Loop): Promise<Map<bigint, number>> {
  const counted = new Map<bigint, number>();
  for (const partition of loop.trainers.keys()) {
    for (const { ids } of await loop.examples(partition)) {
      for (const id of new BigUint64Array(ids.slice().buffer)) {
        counted.set(id, (counted.get(id) ?? 0) + 1);
      }
    }
  }
  return new Map([...counted].sort());
}

/** Takes a snapshot that was asked for. */
export function snapshot({ loop, snapshotter }: World) {
  return loop.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, BUDGET));
}

/** Sends a malformed message, so that the shard's handler throws. */
export function crashShard({ loop }: World, shard: number): void {
  const broken = { kind: "lookup" } as unknown as EmbeddingShardMessage;
  loop.mesh.node().actorRef<EmbeddingShardMessage>(`embedding_shard/${shard}`).tell(broken);
}

/** Every id of the example log is in the rows as often as in the log. */
export async function assertEachLearnedOnce({ loop, ledger }: World): Promise<void> {
  await loop.mesh.advance(5_000);
  const wanted = await occurrences(loop);
  assert.ok(wanted.size > 10);
  assert.deepEqual(ledger.total(), wanted);
}

/** How many snapshots were taken and how many failed. */
export async function outcomes({ loop, snapshotter }: World) {
  const { taken, failed } = await loop.mesh.settle(snapshotter.ask({ kind: "getStatus" }, BUDGET));
  return { taken, failed };
}

/** Number of chunks of the newest snapshot, finished or not. */
export async function chunksWritten({ loop }: World): Promise<number> {
  const chunks = (await loop.blobs.list("snapshots/")).filter((blob) => blob.includes("/chunk-"));
  const newest = chunks.at(-1)?.split("/shard-")[0];
  return chunks.filter((blob) => blob.startsWith(`${newest}/`)).length;
}

/**
 * Goal: shards of another number, restored from a snapshot, have each row of the former ones with
 * its optimizer state, once, and learn on as if the number had never changed. Method: a run goes
 * through drawn numbers of shards, some of them without a snapshot just before, as where a host
 * dies. Then another mesh of one number learns the same example log from its beginning. Rows,
 * optimizer states and dense weights of both must be the same bits.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { TrainerState } from "../../records/trainer_state.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { decodePart } from "../../records/snapshot_parts.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { present } from "../../structures/invariant.ts";
import { savedShard } from "../records/snapshot_rows.ts";
import { Loop } from "./loop.ts";
import type { LoopOptions } from "./loop_options.ts";

const SHARDS = 3;
/** Virtual time in which all examples are learned. */
const SETTLES_MS = 20_000;

interface State {
  /** Saved rows with their optimizer state, by class and id. */
  readonly rows: ReadonlyMap<string, string>;
  readonly trainer: TrainerState;
}

const kernel = BatchKernel.create();

/** The state of a loop in a new snapshot; each row is in the shard of its id, and in no other. */
async function stateOf(loop: Loop): Promise<State> {
  const { blobs } = loop;
  for (const name of await blobs.list("")) await blobs.delete(name);
  await loop.snapshot();
  const [{ shards, trainers: [trainer] }] = await readManifests(blobs);
  assert.equal(shards.length, loop.shards);
  const rows = new Map<string, string>();
  for (const part of shards) {
    for (const [key, bytes] of (await savedShard(blobs, part)).rows) {
      const [high, low] = key.split(" ")[1].split(":").map(BigInt);
      const ids = BigUint64Array.of(high << 32n | low);
      const { groupStarts } = kernel.unique(ids, loop.shards);
      assert.equal(groupStarts.findIndex((start) => start > 0) - 1, part.shard, key);
      assert.ok(!rows.has(key), `${key} has two rows`);
      rows.set(key, [...bytes].join(" "));
    }
  }
  const bytes = present(await blobs.get(trainer.checkpoint.name), trainer.checkpoint.name);
  return { rows, trainer: decodePart<TrainerState>(bytes) };
}

const step = fc.record({
  user: fc.nat(4),
  item: fc.nat(40),
  clicks: fc.nat(4),
  pauseMs: fc.constantFrom(0, 3, 40, 600),
  /** The number of shards from then on; undefined = as before. */
  shards: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined, freq: 3 }),
  /** Whether a snapshot is taken before the number changes. */
  hasSnapshot: fc.boolean(),
});

const kinds: Readonly<Record<string, LoopOptions>> = {
  "one batch at a time": { trainer: { batchRows: 8 } },
  "with pipelining": { trainer: { batchRows: 8, pipelined: true } },
};

for (const [title, options] of Object.entries(kinds)) {
  Deno.test(`whatever numbers of shards follow each other, every row and optimizer state has the bits of a mesh of one number: ${title}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), async (steps) => {
        const joiner = { ...options.joiner, windowMs: 1_000 };
        let loop = await Loop.start({ ...options, shards: SHARDS, joiner });
        let seed = 1;
        for (const { user, item, clicks, pauseMs, shards, hasSnapshot } of steps) {
          const items = Array.from({ length: 5 }, (_, k) => `item-${item + k}`);
          const { rankingId } = await loop.rank(`user-${user}`, items);
          for (const clicked of items.slice(0, clicks)) await loop.act(rankingId, clicked, "click");
          await loop.mesh.advance(pauseMs);
          if (shards === undefined) continue;
          if (hasSnapshot) await loop.snapshot();
          loop = await loop.kill(++seed, { shards });
          await loop.mesh.advance(1_000);
        }
        await loop.mesh.advance(SETTLES_MS);
        const resharded = await stateOf(loop);
        await loop.stop();
        const steady = await loop.learnAgain(SHARDS);
        await steady.mesh.advance(SETTLES_MS);
        assert.deepEqual(resharded, await stateOf(steady));
        assert.ok(resharded.rows.size > 5);
        await steady.stop();
      }),
      { numRuns: 6, endOnFailure: true },
    );
  });
}

/**
 * Lookups that share their memory and their budget, one after another, where some replicas fail.
 */
import assert from "node:assert/strict";
import { ReplicaClient } from "../../../actors/scorer/replica_client.ts";
import {
  type ReplicaLookup,
  ReplicaNotCurrentError,
  type ServingReplicaMessage,
} from "../../../actors/serving_replica/protocol.ts";
import type { ServedRows } from "../../../kernels/embedding/serving_table.ts";
import type { ActorRef, AskOptions } from "../../../mesh/runtime/actor.ts";
import { Cancellation } from "../../../mesh/runtime/cancel_signal.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

const GROUPED = {
  uniqueIds: BigUint64Array.of(1n, 2n, 3n, 4n),
  groupStarts: Uint32Array.of(0, 2, 4),
};
const BUDGET = { budgetMs: 100 };

type Answer = (lookup: ReplicaLookup, options: AskOptions) => Promise<ServedRows>;

/** A replica that answers lookups as `answer` says. */
function replica(answer: Answer, address = "serving_replica/0") {
  return { ask: answer, address } as unknown as ActorRef<ServingReplicaMessage>;
}

/** A client of rows of one weight. */
function clientOf(
  replicas: readonly ActorRef<ServingReplicaMessage>[][],
  clock = new VirtualClock(),
) {
  const classes = [{ slices: [{ name: "w", dim: 1 }] }];
  return new ReplicaClient({ scorer: "scorer/edge", replicas, classes, clock });
}

/** Replicas that note their asks and fail as a test says. */
class Replicas {
  readonly clock = new VirtualClock();
  /** `replica: budget` of each ask, ms. */
  readonly asked: string[] = [];
  readonly #failing = new Map<number, "silent" | "refusing">();

  set(index: number, state: "silent" | "refusing" | "answering"): void {
    if (state === "answering") this.#failing.delete(index);
    else this.#failing.set(index, state);
  }

  at(index: number): ActorRef<ServingReplicaMessage> {
    return replica(async (lookup, { budgetMs }) => {
      this.asked.push(`${index}: ${budgetMs}`);
      const state = this.#failing.get(index);
      if (state === "silent") await this.clock.delay(budgetMs);
      if (state !== undefined) throw new Error(`replica ${index} is ${state}`);
      return rowsOf(lookup, index);
    });
  }

  /** Looks up while virtual time passes; the rows of the first shard, and what was asked. */
  async lookup(client: ReplicaClient) {
    this.asked.length = 0;
    const looked = client.lookup(GROUPED, BUDGET);
    looked.catch(() => {});
    await this.clock.advance(BUDGET.budgetMs);
    const { rows, found, shardsAway } = await looked;
    return { row: [...rows[0]], found: [...found], shardsAway, asked: [...this.asked] };
  }
}

/** Rows of one weight, in the memory of the last answer, as a serving table makes them. */
function rowsOf({ ids, spare: last }: ReplicaLookup, weight: number): ServedRows {
  const spare = last?.found.length === ids.length ? last : undefined;
  const rows = spare?.rows ?? new Float32Array(ids.length);
  const found = spare?.found ?? new Uint8Array(ids.length);
  return { rows: rows.fill(weight), found: found.fill(1) };
}

Deno.test("a lookup that failed leaves the next one alone, however late its other shards answer", async () => {
  const late = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  let failing = true;
  const hanging = replica((lookup) =>
    failing ? late.promise.then(() => rowsOf(lookup, -1)) : Promise.resolve(rowsOf(lookup, 2))
  );
  const other = replica((lookup) => Promise.resolve(rowsOf(lookup, -1)));
  const second = replica((lookup) =>
    failing ? Promise.reject(new Error("not current")) : slow.promise.then(() => rowsOf(lookup, 2))
  );
  const client = clientOf([[hanging, other], [second]]);
  const first = client.lookup(GROUPED, BUDGET);
  let ended = false;
  const failed = assert.rejects(first, /not current/).then(() => ended = true);
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  assert.ok(!ended, "it ends when nobody uses its memory any more");
  late.reject(new Error("too late"));
  await failed;

  failing = false;
  const next = client.lookup(GROUPED, BUDGET);
  slow.resolve();
  const { rows, found } = await next;
  assert.deepEqual(found, Uint8Array.of(1, 1, 1, 1));
  assert.equal(rows.length, 2);
  assert.deepEqual(rows[1], Float32Array.of(2, 2));
});

Deno.test("a silent replica leaves half of the budget to the next one, and comes behind it for a second", async () => {
  const replicas = new Replicas();
  const client = clientOf([[0, 1, 2].map((i) => replicas.at(i)), [replicas.at(3)]], replicas.clock);
  replicas.set(0, "silent");
  const first = await replicas.lookup(client);
  assert.deepEqual(first.asked, ["0: 50", "3: 100", "1: 25"]);
  assert.deepEqual([first.row, first.shardsAway], [[1, 1], 0]);

  replicas.set(1, "refusing");
  const second = await replicas.lookup(client);
  assert.deepEqual(second.asked, ["1: 50", "3: 100", "2: 50"], "the silent one is not waited for");
  assert.deepEqual([second.row, second.shardsAway], [[2, 2], 0]);

  replicas.set(0, "answering");
  await replicas.clock.advance(1_000);
  assert.deepEqual((await replicas.lookup(client)).asked, ["0: 50", "3: 100"]);
});

Deno.test("a lookup that is cancelled ends without its rows, and passes no replica over", async () => {
  const replicas = new Replicas();
  const client = clientOf([[0, 1].map((i) => replicas.at(i)), [replicas.at(3)]], replicas.clock);
  await replicas.lookup(client);
  replicas.set(0, "silent");
  const cancellation = new Cancellation();
  replicas.asked.length = 0;
  const cancelled = client.lookup(GROUPED, { ...BUDGET, signals: [cancellation] })
    .catch((error) => error);
  cancellation.abort();
  await replicas.clock.advance(BUDGET.budgetMs);
  assert.match(String(await cancelled), /replica 0 is silent/);
  assert.deepEqual(replicas.asked, ["0: 50", "3: 100"], "the next replica is not asked");
  replicas.set(0, "answering");
  assert.deepEqual((await replicas.lookup(client)).asked, ["0: 50", "3: 100"]);
  assert.equal(client.shardsAway, 0);
});

Deno.test("replicas that all failed a moment ago are asked again, the one that failed first before the others", async () => {
  const replicas = new Replicas();
  const client = clientOf([[0, 1].map((i) => replicas.at(i)), [replicas.at(3)]], replicas.clock);
  await replicas.lookup(client);
  replicas.set(0, "silent");
  replicas.set(1, "silent");
  assert.equal((await replicas.lookup(client)).shardsAway, 1);
  replicas.set(1, "answering");
  const { asked, row, shardsAway } = await replicas.lookup(client);
  assert.deepEqual(asked, ["0: 50", "3: 100", "1: 50"]);
  assert.deepEqual([row, shardsAway], [[1, 1], 0]);
});

Deno.test("ids of a shard without a replica that answers are absent, once the shard has answered", async () => {
  const replicas = new Replicas();
  const client = clientOf([[replicas.at(2)], [replicas.at(3)]], replicas.clock);
  replicas.set(2, "refusing");
  await assert.rejects(replicas.lookup(client), /replica 2 is refusing/);
  await client.probe(BUDGET.budgetMs);
  assert.equal(client.canLookUp, false);
  replicas.set(2, "answering");
  await client.probe(BUDGET.budgetMs);
  assert.deepEqual([client.canLookUp, client.shardsAway], [true, 0]);
  assert.deepEqual((await replicas.lookup(client)).found, [1, 1, 1, 1]);

  replicas.set(2, "silent");
  const { row, found, shardsAway } = await replicas.lookup(client);
  assert.deepEqual({ row, found, shardsAway }, { row: [0, 0], found: [0, 0, 1, 1], shardsAway: 1 });
  assert.equal(client.shardsAway, 1);
  replicas.set(2, "answering");
  await client.probe(BUDGET.budgetMs);
  assert.equal(client.shardsAway, 0, "a probe tells without traffic");
});

Deno.test("the memory of an answer goes back to a replica on the scorer's host, and to no other host", async () => {
  for (const [address, isGiven] of [["@edge", true], ["", true], ["@edge-2", false]] as const) {
    const given: boolean[] = [];
    const asked = replica((lookup) => {
      given.push(lookup.spare !== undefined);
      return Promise.resolve(rowsOf({ ...lookup, spare: undefined }, 1));
    }, `serving_replica/0${address}`);
    const client = clientOf([[asked], [asked]]);
    for (let i = 0; i < 2; i++) await client.lookup(GROUPED, BUDGET);
    assert.deepEqual(given, [false, false, isGiven, isGiven], address);
  }
});

Deno.test("a probe asks the shards without an answer in the last second", async () => {
  const replicas = new Replicas();
  const client = clientOf([[replicas.at(0)], [replicas.at(1)]], replicas.clock);
  const probed = async () => {
    replicas.asked.length = 0;
    await client.probe(100);
    return replicas.asked.map((each) => each.split(":")[0]);
  };
  replicas.set(1, "refusing");
  assert.deepEqual(await probed(), ["0", "1"]);
  assert.deepEqual(await probed(), ["1"]);
  assert.equal(client.canLookUp, false);
  replicas.set(1, "answering");
  assert.deepEqual(await probed(), ["1"]);
  assert.deepEqual([client.canLookUp, client.shardsAway], [true, 0]);
  assert.deepEqual(await probed(), []);
  await replicas.clock.advance(1_000);
  replicas.set(0, "refusing");
  assert.deepEqual(await probed(), ["0", "1"]);
  assert.equal(client.shardsAway, 1);
});

/** A scorer that begins, with a shard here and one whose two replicas are on other hosts. */
function beginning(...elsewhere: readonly Error[]) {
  const here = replica((lookup) => Promise.resolve(rowsOf(lookup, 1)), "serving_replica/0@edge");
  const others = elsewhere.map((error, i) =>
    replica(() => Promise.reject(error), `serving_replica/1@edge-${i + 2}`)
  );
  return clientOf([[here], others]);
}

Deno.test("a scorer that begins does not wait for a shard that other hosts hold, and are away", async () => {
  const away = new Error("there is no link");
  const client = beginning(away, away);
  assert.equal(client.canLookUp, false);
  const { found, shardsAway, learnedThroughMs } = await client.lookup(GROUPED, BUDGET);
  assert.deepEqual([[...found], shardsAway, learnedThroughMs], [[1, 1, 0, 0], 1, 0]);
  assert.equal(client.canLookUp, true);
  const probed = beginning(away, away);
  await probed.probe(BUDGET.budgetMs);
  assert.deepEqual([probed.canLookUp, probed.shardsAway, probed.shareAnswering], [true, 1, 0.5]);
});

Deno.test("a scorer that begins waits for a shard that one of the other hosts is filled with", async () => {
  const [filled, away] = [new ReplicaNotCurrentError(1), new Error("there is no link")];
  for (const errors of [[filled, away], [away, filled]]) {
    const client = beginning(...errors);
    await assert.rejects(client.lookup(GROUPED, BUDGET));
    assert.equal(client.canLookUp, false);
  }
});

Deno.test("a scorer that begins takes the rows of another holder while its own host's replica is filled", async () => {
  const filling = new ReplicaNotCurrentError(1);
  const own = replica(() => Promise.reject(filling), "serving_replica/0@edge");
  const other = replica((lookup) => Promise.resolve(rowsOf(lookup, 2)), "serving_replica/0@edge-2");
  const client = clientOf([[own, other], [own, other]]);
  await client.probe(BUDGET.budgetMs);
  assert.deepEqual([client.canLookUp, client.shardsAway, client.shareAnswering], [true, 0, 1]);
  const alone = clientOf([[own], [own, other]]);
  await alone.probe(BUDGET.budgetMs);
  assert.deepEqual([alone.canLookUp, alone.shareAnswering], [false, 0.5]);
});

Deno.test("a replica that answers with another number of rows has failed", async () => {
  const short = replica(({ ids }) =>
    Promise.resolve({ rows: new Float32Array(1), found: new Uint8Array(ids.length) })
  );
  const long = replica(({ ids }) =>
    Promise.resolve({
      rows: new Float32Array(ids.length),
      found: new Uint8Array(ids.length + 1),
    })
  );
  const good = replica((lookup) => Promise.resolve(rowsOf(lookup, 1)));
  const client = clientOf([[short, good], [long, good]]);
  const { rows, found } = await client.lookup(GROUPED, BUDGET);
  assert.deepEqual(rows.map((each) => [...each]), [[1, 1], [1, 1]]);
  assert.deepEqual([...found], [1, 1, 1, 1]);
});

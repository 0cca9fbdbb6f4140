/**
 * Goal: dense weights reach all scorers over each other, whichever of them is away or stands still.
 * Method: parameter sync's transfers to real relays in scorers that only note what they are given.
 */
import assert from "node:assert/strict";
import { WeightTransfers } from "../../../actors/parameter_sync/weight_transfers.ts";
import type { LoadDenseWeights, ScorerMessage } from "../../../actors/scorer/protocol.ts";
import { passOn } from "../../../actors/scorer/weight_relay.ts";
import type { ActorDefinition } from "../../../mesh/runtime/actor.ts";
import { LimitedWarnings } from "../../../mesh/runtime/limited_warnings.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

const LINK_MS = 5;
const LATE_MS = 1_200;

/** Scorers, each on a node of its own, and transfers to them from a node `sync`. */
async function start(scorers = 7) {
  const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs: LINK_MS });
  const versions = Array.from({ length: scorers }, () => 0);
  /** By scorer, how often it was given weights, and to how many it was to pass them then. */
  const given = Array.from({ length: scorers }, () => 0);
  const below = Array.from({ length: scorers }, () => 0);
  /** Scorers that answer nothing. */
  const still = new Set<number>();
  /** Time that scorers take to load weights, ms. */
  const late = new Map<number, number>();
  const scorer: ActorDefinition<ScorerMessage, number> = {
    kind: "scorer",
    mailbox: { capacity: 16, overflow: "reject" },
    restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "control",
    create: (context, own) => {
      const answer = async (message: ScorerMessage) => {
        if (message.kind === "getModel") {
          const modelVersion = versions[own];
          const isSynced = modelVersion >= 0;
          return context.reply(message, { isSynced, modelVersion, learnedThroughMs: 0 });
        }
        const { weights, passTo } = message as LoadDenseWeights;
        given[own]++;
        below[own] = passTo.length;
        versions[own] = Math.max(versions[own], weights.version);
        const others = passTo.map((each) => context.actorRef<ScorerMessage>(each));
        const served = await passOn(
          message as LoadDenseWeights,
          others,
          context.remainingMs(message),
        );
        context.reply(message as LoadDenseWeights, { versions: [versions[own], ...served] });
      };
      return {
        async receive(message) {
          if (still.has(own)) return;
          const lateMs = message.kind === "getModel" ? undefined : late.get(own);
          if (lateMs !== undefined) context.clock.schedule(lateMs, () => void answer(message));
          else await answer(message);
        },
      };
    },
  };
  const names = versions.map((_, i) => `edge-${i}`);
  const nodes = ["sync", ...names].map((name) => mesh.node(name));
  nodes.forEach((node, i) => nodes.slice(i + 1).forEach((other) => mesh.link(node, other)));
  const placement = names.map((name, i) => [`scorer/${i}`, name] as const);
  for (const node of nodes) node.setPlacement([...placement]);
  for (const i of names.keys()) await mesh.settle(nodes[i + 1].spawn(scorer, i, i));
  const [sync] = nodes;
  const transfers = new WeightTransfers(
    placement.map(([address]) => sync.actorRef<ScorerMessage>(address)),
    {
      context: { clock: mesh.clock, isCurrent: true },
      budgetMs: 5_000,
      warnings: new LimitedWarnings(mesh.clock, mesh.telemetry),
    },
  );
  const check = async () => {
    transfers.check({ all: true });
    await mesh.advance(2 * LINK_MS + 1);
  };
  await check();
  const carry = (version: number) => {
    given.fill(0);
    below.fill(0);
    transfers.carry({ weights: { version, parameters: {} }, learnedThroughMs: 0 });
  };
  const stop = (i: number) => mesh.settle(nodes[i + 1].stopActor(`scorer/${i}`, 0));
  return { mesh, versions, given, below, still, late, transfers, check, carry, stop };
}

Deno.test("weights reach each of seven scorers once, over each other", async () => {
  const { mesh, versions, given, below, carry } = await start();
  carry(1);
  // Three links to the last ones, and the answers.
  await mesh.advance(2 * 3 * LINK_MS + LINK_MS);
  assert.deepEqual(versions, [1, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(given, [1, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(below, [6, 2, 0, 0, 2, 0, 0]);
  await mesh.stop();
});

Deno.test("the next weights have another scorer first", async () => {
  const { mesh, versions, given, below, carry } = await start();
  for (let version = 1; version <= 2; version++) {
    carry(version);
    await mesh.advance(100);
  }
  assert.deepEqual(versions, [2, 2, 2, 2, 2, 2, 2]);
  assert.deepEqual(given, [1, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(below, [0, 6, 2, 0, 0, 2, 0]);
  await mesh.stop();
});

for (const scorers of [1, 2, 3, 4, 64]) {
  Deno.test(`weights reach each of ${scorers} scorers once`, async () => {
    const { mesh, versions, given, below, carry } = await start(scorers);
    for (let version = 1; version <= 3; version++) {
      carry(version);
      await mesh.advance(100);
      assert.ok(versions.every((served) => served === version));
      assert.ok(given.every((times) => times === 1));
      assert.equal(Math.max(...below), scorers - 1, "sync sends them to one");
    }
    await mesh.stop();
  });
}

Deno.test("a scorer with later weights keeps them, and passes on earlier ones", async () => {
  const { mesh, versions, carry } = await start();
  versions[0] = 9;
  versions[5] = 9;
  carry(1);
  await mesh.advance(100);
  assert.deepEqual(versions, [9, 1, 1, 1, 1, 9, 1]);
  await mesh.stop();
});

Deno.test("where a scorer in the middle is gone, those below it get the weights directly", async () => {
  const { mesh, versions, given, carry, stop } = await start();
  await stop(1);
  carry(1);
  await mesh.advance(100);
  assert.deepEqual(versions, [1, 0, 1, 1, 1, 1, 1]);
  carry(2);
  await mesh.advance(100);
  assert.deepEqual(versions, [2, 0, 2, 2, 2, 2, 2]);
  assert.deepEqual(given, [1, 0, 1, 1, 1, 1, 1], "a scorer that is gone has no others below it");
  await mesh.stop();
});

Deno.test("scorers below one that stands still wait a second, and later ones not at all", async () => {
  const { mesh, versions, below, still, carry } = await start();
  still.add(0); // the first one, which has all others below it
  carry(1);
  await mesh.advance(1_100);
  assert.deepEqual(versions, [0, 1, 1, 1, 1, 1, 1]);
  for (let version = 2; version <= 20; version++) {
    carry(version);
    await mesh.advance(100);
    assert.deepEqual(versions, [0, ...Array.from({ length: 6 }, () => version)]);
  }
  await mesh.advance(30_000);
  carry(21);
  await mesh.advance(100);
  assert.deepEqual(versions, [0, 21, 21, 21, 21, 21, 21]);
  assert.equal(Math.max(...below), 5, "the others pass them on again");
  still.clear();
  await mesh.advance(5_000); // the transfer that is under way ends
  carry(22);
  await mesh.advance(100);
  assert.deepEqual(versions, [22, 22, 22, 22, 22, 22, 22]);
  await mesh.stop();
});

Deno.test("scorers that a relay has missed get the newest weights, not its own", async () => {
  const { mesh, versions, given, still, carry } = await start();
  still.add(0);
  carry(1);
  await mesh.advance(500);
  carry(2);
  await mesh.advance(600);
  assert.deepEqual(versions, [0, 2, 2, 2, 2, 2, 2]);
  assert.deepEqual(given, [0, 1, 1, 1, 1, 1, 1]);
  await mesh.stop();
});

for (const slow of [0, 1, 2]) {
  Deno.test(`scorer ${slow}, which takes weights slowly, holds back the others once`, async () => {
    const { mesh, versions, late, transfers, carry } = await start();
    late.set(slow, LATE_MS);
    const heldBack: number[] = [];
    for (let version = 1; version <= 100; version++) {
      transfers.check({ all: version % 10 === 0 });
      carry(version);
      await mesh.advance(100);
      const others = versions.filter((_, scorer) => scorer !== slow);
      if (others.some((served) => served < version)) heldBack.push(version);
    }
    assert.ok(heldBack.every((version) => version <= 11), `versions ${heldBack} came late`);
    assert.ok(versions[slow] >= 70, "it gets weights too");
    await mesh.stop();
  });
}

Deno.test("a scorer that begins anew beside one that holds a relay up gets weights at once", async () => {
  const { mesh, versions, still, check, carry } = await start();
  still.add(3);
  carry(1);
  await mesh.advance(50);
  assert.equal(versions[5], 1);
  versions[5] = -1; // it has started again, and asks
  await check();
  await mesh.advance(50);
  assert.equal(versions[5], 1);
  versions[5] = 0;
  await mesh.advance(1_000); // the relay ends
  carry(2);
  await mesh.advance(100);
  assert.equal(versions[5], 2);
  await mesh.stop();
});

Deno.test("a scorer that has begun anew gets the weights that the others have", async () => {
  const { mesh, versions, given, check, carry } = await start();
  carry(3);
  await mesh.advance(100);
  versions[4] = -1;
  given.fill(0);
  await check();
  await mesh.advance(100);
  assert.deepEqual(given, [0, 0, 0, 0, 1, 0, 0]);
  assert.equal(versions[4], 3);
  await mesh.stop();
});

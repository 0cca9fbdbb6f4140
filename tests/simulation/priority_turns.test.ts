import assert from "node:assert/strict";
import type { Runnable } from "../../mesh/runtime/turn_scheduler.ts";
import { KeyedHash } from "../../simulation/keyed_hash.ts";
import { PriorityTurns } from "../../simulation/world/priority_turns.ts";

const actors = ["a", "b", "c", "d"].map((name) => ({ name }) as unknown as Runnable);
const nameOf = (actor: Runnable | undefined) => (actor as { name?: string } | undefined)?.name;

/** The order of turns where all actors are ready at all times. */
function ordered(seed: number, changes: number, turns: number, isOver = () => false): string {
  const queue = new PriorityTurns(new KeyedHash(seed, "test"), changes, isOver);
  for (const actor of actors) queue.push(actor);
  let order = "";
  for (let i = 0; i < turns; i++) {
    const next = queue.shift();
    if (next === undefined) break;
    order += nameOf(next);
    queue.push(next);
  }
  return order;
}

Deno.test("an actor of the highest priority has its turn until a change makes it the last", () => {
  const [period] = [1_024];
  for (let seed = 0; seed < 20; seed++) {
    assert.match(ordered(seed, 0, period), /^(a+|b+|c+|d+)$/);
    assert.equal(new Set(ordered(seed, 2, period)).size, 3, "two changes, three actors");
  }
});

Deno.test("each seed has an order of its own, which it repeats", () => {
  const orders = Array.from({ length: 30 }, (_, seed) => ordered(seed, 3, 5_000));
  assert.ok(new Set(orders).size > 25);
  orders.forEach((order, seed) => assert.equal(ordered(seed, 3, 5_000), order));
});

Deno.test("after healing turns are given first come, first served, and each actor once", () => {
  assert.equal(ordered(1, 3, 8, () => true), "abcdabcd");
  const queue = new PriorityTurns(new KeyedHash(1, "test"), 1, () => false);
  for (const actor of actors) queue.push(actor);
  const taken = new Set(Array.from({ length: 4 }, () => nameOf(queue.shift())));
  assert.equal(taken.size, 4);
  assert.equal(queue.length, 0);
  assert.equal(queue.shift(), undefined);
});

/**
 * Workloads that fast-check generates: it shrinks the steps, the simulation shrinks the faults.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ActorDefinition, Request } from "../../mesh/runtime/actor.ts";
import { always, simulate, type Simulation } from "../../simulation/mod.ts";

interface Put extends Request<number> {
  readonly kind: "put";
  readonly amount: number;
}

interface Take extends Request<number> {
  readonly kind: "take";
  readonly amount: number;
}

type Step = { readonly kind: "put" | "take"; readonly amount: number; readonly pauseMs: number };

/** A stock of goods. @param checks Without it, more is taken than there is. */
function stock(checks: boolean): ActorDefinition<Put | Take, undefined> {
  return {
    kind: "stock",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 100, periodMs: 60_000, backoffMs: 10, backoffMsMax: 100 },
    priorityOf: () => "read",
    create(context) {
      let left = 0;
      return {
        receive(message) {
          if (message.kind === "put") left += message.amount;
          else if (!checks || message.amount <= left) left -= message.amount;
          context.reply(message, left);
        },
      };
    },
  };
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom("put", "take"),
    amount: fc.integer({ min: 1, max: 9 }),
    pauseMs: fc.integer({ min: 1, max: 500 }),
  }),
  { minLength: 1, maxLength: 30 },
);

/** Runs generated steps. fast-check repeats it with fewer of them; nothing is shrunk here. */
function run(checks: boolean, seed: number, workload: readonly Step[]): Promise<Simulation> {
  return simulate({
    seed,
    mesh: { definitions: [stock(checks)], actors: [{ address: "stock/0", node: "store" }] },
    faults: ["threads", "links", "interrupts"],
    forMs: 5_000,
    shrinkRunsMax: 0,
    async workload(world) {
      await world.sleep(100); // the process starts
      for (const { kind, amount, pauseMs } of workload) {
        await world.actor<Put | Take>("stock/0").ask({ kind, amount }, { budgetMs: 200 })
          .catch(() => {});
        await world.sleep(pauseMs);
      }
    },
    checks: () => [
      always(
        "the stock is never negative",
        ({ answer }) => typeof answer === "number" && answer < 0 ? `${answer} are left` : undefined,
      ),
    ],
  });
}

Deno.test("generated steps keep the promise under drawn faults", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, async (seed, workload) => {
      (await run(true, seed, workload)).assertPassed();
    }),
    { numRuns: 25 },
  );
});

Deno.test("fast-check shrinks the steps of a failing workload to a few, of which the last breaks it", async () => {
  const { failed, counterexample } = await fc.check(
    fc.asyncProperty(fc.nat(), steps, async (seed, workload) => {
      (await run(false, seed, workload)).assertPassed();
    }),
    { numRuns: 25, seed: 1 },
  );
  assert.equal(failed, true);
  const [, workload] = counterexample ?? [0, []];
  // A step that is lost to a fault needs another one.
  assert.ok(workload.length <= 5, JSON.stringify(workload));
  assert.equal(workload.at(-1)?.kind, "take");
});

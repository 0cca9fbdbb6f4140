/**
 * The promise of an ask under any stalls of a link: it is settled once, in time, and it is never
 * handled after its budget, so that a retry never races with the ask that it repeats.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ActorDefinition, Request } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { linkWithHold } from "./held_link.ts";

/** Time beyond the budget in which the other node's error may arrive, and the wheel's tick, ms. */
const GRACE_MS = 50 + 4;
/** Latency of the link, ms: the clocks are known to within it. */
const LATENCY_MS = 1;

interface Note extends Request<number> {
  readonly kind: "note";
  readonly ask: number;
}

/** Notes the time at which each ask is handled; answers some later, or never. */
function noteDefinition(handledMs: Map<number, number>): ActorDefinition<Note, undefined> {
  return {
    kind: "note",
    mailbox: { capacity: 5, overflow: "backpressure" },
    restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create: (context) => ({
      receive(message) {
        assert.ok(!handledMs.has(message.ask), "an ask is handled once");
        handledMs.set(message.ask, context.clock.monotonicMs());
        if (message.ask % 3 === 0) return;
        context.reply(message, message.ask);
      },
    }),
  };
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      budgetMs: fc.integer({ min: 1, max: 120 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.integer({ min: 1, max: 90 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("hold" as const, "release" as const),
      toRight: fc.boolean(),
    }),
  },
);

Deno.test("an ask is settled once and in time, and never handled after its budget, whatever the link holds back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const mesh = new SimulatedMesh({ seed: 1 });
      const [home, away] = [mesh.node("home"), mesh.node("away")];
      const link = linkWithHold(mesh.clock, home, away);
      home.setPlacement([["note/0", "away"]]);
      const handledMs = new Map<number, number>();
      const settledMs = new Map<number, number>();
      const asks: { readonly sentMs: number; readonly budgetMs: number }[] = [];
      await mesh.settle(away.spawn(noteDefinition(handledMs), 0, undefined));
      const ref = home.actorRef<Note>("note/0");
      const send = (budgetMs: number) => {
        const ask = asks.length;
        asks.push({ sentMs: mesh.clock.monotonicMs(), budgetMs });
        const note = () => {
          assert.ok(!settledMs.has(ask));
          settledMs.set(ask, mesh.clock.monotonicMs());
        };
        ref.ask({ kind: "note", ask }, { budgetMs }).then(note, note);
      };
      send(100); // tells each side the other's clock
      await mesh.advance(10);
      for (const step of steps) {
        if (step.kind === "ask") send(step.budgetMs);
        else if (step.kind === "pass") await mesh.advance(step.ms);
        else if (step.kind === "hold") (step.toRight ? link.toRight : link.toLeft).hold();
        else (step.toRight ? link.toRight : link.toLeft).release();
      }
      link.toRight.release();
      link.toLeft.release();
      await mesh.advance(1_000);
      for (const [ask, { sentMs, budgetMs }] of asks.entries()) {
        const settled = settledMs.get(ask);
        assert.ok(settled !== undefined && settled <= sentMs + budgetMs + GRACE_MS, `ask ${ask}`);
        const handled = handledMs.get(ask);
        assert.ok(handled === undefined || handled <= sentMs + budgetMs + LATENCY_MS, `ask ${ask}`);
      }
      await mesh.stop();
    }),
    { numRuns: 150 },
  );
});

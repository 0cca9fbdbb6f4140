import assert from "node:assert/strict";
import type { ActorDefinition, Message } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

interface Clocked extends Message {
  readonly kind: "tick" | "work" | "crash";
}

/** An actor that asks for one tick at its start, and notes the ticks of each incarnation. */
function tickingActor() {
  const ticks: number[] = [];
  const definition: ActorDefinition<Clocked, undefined> = {
    kind: "ticking",
    mailbox: { capacity: 8, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    create(context) {
      const incarnation = ticks.push(0) - 1;
      context.schedule(100, { kind: "tick" });
      return {
        async receive({ kind }) {
          if (kind === "tick") ticks[incarnation]++;
          if (kind === "work") await context.pause(300);
          if (kind === "crash") throw new Error("a planned crash");
        },
      };
    },
  };
  return { definition, ticks };
}

Deno.test("a timer that is due ends with its incarnation, also while its message waits", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const { definition, ticks } = tickingActor();
  const actor = await mesh.settle(mesh.node().spawn(definition, 0, undefined));
  actor.tell({ kind: "work" });
  actor.tell({ kind: "crash" });
  await mesh.advance(250); // the first tick waits behind the work and the crash
  assert.deepEqual(ticks, [0]);
  await mesh.advance(1_000);
  assert.deepEqual(ticks, [0, 1], "the second incarnation has one timer");
  await mesh.stop();
});

import assert from "node:assert/strict";
import type { ActorDefinition, Request } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

interface Wait extends Request<number> {
  readonly kind: "wait";
  readonly forMs: number;
}

/** An actor that pauses at its start and in its handler, and notes the errors of its pauses. */
function pausingActor() {
  const errors: string[] = [];
  const definition: ActorDefinition<Wait, { readonly startMs: number }> = {
    kind: "pausing",
    mailbox: { capacity: 8, overflow: "reject" },
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "read",
    async create(context, { startMs }) {
      const pause = (forMs: number) =>
        context.pause(forMs).catch((error) => {
          errors.push(error.message);
          throw error;
        });
      await pause(startMs);
      return {
        async receive(message) {
          await pause(message.forMs);
          context.reply(message, context.clock.monotonicMs());
        },
      };
    },
  };
  return { definition, errors };
}

Deno.test("a pause takes its time, at the start and in a handler", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const { definition, errors } = pausingActor();
  const actor = await mesh.settle(mesh.node().spawn(definition, 0, { startMs: 1_000 }));
  assert.equal(mesh.clock.monotonicMs(), 1_000);
  const answer = actor.ask({ kind: "wait", forMs: 500 }, { budgetMs: 5_000 });
  assert.equal(await mesh.settle(answer), 1_500);
  assert.deepEqual(errors, []);
  await mesh.stop();
});

Deno.test("the end of an incarnation ends its pauses", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const { definition, errors } = pausingActor();
  const spawned = node.spawn(definition, 0, { startMs: 3_600_000 });
  const failed = assert.rejects(spawned, /restarted or stopped while it paused/);
  await mesh.advance(10);
  await mesh.settle(node.stopActor("pausing/0", 0));
  await mesh.settle(failed);

  const actor = await mesh.settle(node.spawn(definition, 1, { startMs: 0 }));
  const given = assert.rejects(
    actor.ask({ kind: "wait", forMs: 3_600_000 }, { budgetMs: 60_000 }),
    { name: "ActorFailedError" },
  );
  await mesh.advance(10);
  await mesh.settle(node.stopActor("pausing/1", 0));
  await mesh.settle(given);
  assert.equal(errors.length, 2);
  await mesh.stop();
});

/**
 * Simulations of actors that are not Cairn's: a bank whose tellers move money between accounts.
 */
import assert from "node:assert/strict";
import type {
  ActorContext,
  ActorDefinition,
  Address,
  Behavior,
  Request,
} from "../../mesh/runtime/actor.ts";
import { always, eventually, simulate, SimulationError, sometimes } from "../../simulation/mod.ts";

interface Add extends Request<number> {
  readonly kind: "add";
  readonly amount: number;
  /** Tells a repeated request from a new one. */
  readonly id: string;
}

type AccountMessage = Add | (Request<number> & { readonly kind: "getTotal" });

/** @param remembersIds Without it, an addition that is sent again counts twice. */
function account(remembersIds: boolean): ActorDefinition<AccountMessage, undefined> {
  return {
    kind: "account",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 100, periodMs: 60_000, backoffMs: 10, backoffMsMax: 100 },
    priorityOf: () => "read",
    create: (context: ActorContext<AccountMessage>): Behavior<AccountMessage> => {
      let total = 0;
      const seen = new Set<string>();
      return {
        receive(message) {
          if (message.kind === "getTotal") return context.reply(message, total);
          if (!remembersIds || !seen.has(message.id)) total += message.amount;
          seen.add(message.id);
          context.reply(message, total);
        },
      };
    },
  };
}

function bank(remembersIds: boolean) {
  return simulate({
    seed: 3,
    seeds: 10,
    mesh: {
      definitions: [account(remembersIds)],
      actors: [{ address: "account/0", node: "vault" }],
    },
    faults: ["threads", "links"],
    forMs: 20_000,
    async workload(world, client) {
      for (let i = 0; world.running; i++) {
        const add = { kind: "add", amount: 1, id: `${client}-${i}` } as const;
        for (let answered = false; !answered;) {
          answered = await world.actor<AccountMessage>("account/0").ask(add, { budgetMs: 100 })
            .then(() => true, () => false);
          await world.sleep(20);
        }
      }
    },
    checks: () => {
      const ids = new Set<string>();
      return [
        always("each addition counts once", ({ message, answer }) => {
          if (message.kind !== "add" || answer === undefined) return undefined;
          ids.add((message as Add).id);
          return answer === ids.size ? undefined : `the total is ${answer} after ${ids.size}`;
        }),
        sometimes(
          "an addition came twice",
          ({ message, answer }) =>
            message.kind === "add" && answer === undefined && ids.has((message as Add).id),
        ),
        eventually("the vault answers", async (world) => {
          const vault = world.actor<AccountMessage>("account/0");
          return await vault.ask({ kind: "getTotal" }, { budgetMs: 100 })
            .then(() => undefined, (error: Error) => error.message);
        }),
      ];
    },
  });
}

Deno.test("actors of one's own keep their promises under faults, and the rare path is reached", async () => {
  const simulation = await bank(true);
  simulation.assertPassed();
  assert.deepEqual(simulation.missed, []);
  assert.ok(simulation.events > 1_000);
});

Deno.test("a bug of one's own is found and shrunk to a fault or two", async () => {
  const { failure, assertPassed } = await bank(false);
  assert.equal(failure?.checker, "checks");
  assert.match(failure.message, /each addition counts once: the total is/);
  assert.ok(failure.faults.length <= 2, `${failure.faults.length} faults`);
  assert.throws(assertPassed, SimulationError);
});

Deno.test("the failing run of one's own actors is drawn, and else the last run", async () => {
  const failing = await bank(false);
  const page = await failing.page();
  assert.match(page, /correctness at .*each addition counts once: the total is/);
  assert.match(page, /answers add/);
  assert.match(page, /<a href="#broken">/);
  assert.match(page, /answers add[^]*id="broken"/, "the link leads to the end of the events");
  assert.equal(page.match(/<li>/g)?.length, failing.failure?.faults.length);
  assert.match(await (await bank(true)).page(), /Every promise held/);
});

Deno.test("one seed gives one course", async () => {
  const [first, second] = [await bank(true), await bank(true)];
  assert.equal(first.traceHash, second.traceHash);
  assert.equal(first.events, second.events);
});

Deno.test("an actor without a whole definition is refused before a run", async () => {
  const { kind, create } = account(true);
  const run = (address: Address, definition: object) =>
    simulate({
      mesh: { definitions: [definition as never], actors: [{ address }] },
      workload: async () => {},
    });
  await assert.rejects(run("account/0", { kind, create }), {
    message: 'the definition of "account" lacks mailbox, restart, priorityOf',
  });
  await assert.rejects(run("acount/0", account(true)), {
    message: 'no definition is of kind "acount"; there are account',
  });
});

/** An actor that does some work after its answer, and does not wait for it. */
function forgetful(work: () => void): ActorDefinition<Add, undefined> {
  const definition = account(true) as unknown as ActorDefinition<Add, undefined>;
  return {
    ...definition,
    create: (context: ActorContext<Add>): Behavior<Add> => ({
      receive(message) {
        context.reply(message, 0);
        if (message.amount === 7) work();
      },
    }),
  };
}

for (
  const [what, work] of [
    ["a rejection", () => void Promise.reject(new Error("the disk is full"))],
    ["an error of a callback", () =>
      queueMicrotask(() => {
        throw new Error("the disk is full");
      })],
  ] as const
) {
  Deno.test(`${what} that no code handles is a broken promise with a seed, and is shrunk`, async () => {
    const { failure } = await simulate({
      seed: 3,
      seeds: 2,
      mesh: {
        definitions: [forgetful(work)],
        actors: [{ address: "account/0", node: "vault" }],
      },
      faults: ["threads", "links"],
      clients: 3,
      shrinkRunsMax: 40,
      async workload(world) {
        for (let i = 0; world.running; i++) {
          const add = { kind: "add", amount: i, id: `${i}` } as const;
          await world.actor<Add>("account/0").ask(add, { budgetMs: 100 }).catch(() => {});
          await world.sleep(100);
        }
      },
    });
    assert.equal(failure?.checker, "handled-errors");
    assert.match(failure.message, /no code handles Error: the disk is full/);
    assert.deepEqual([failure.seed, failure.faults.length, failure.plan.clients.length], [3, 0, 1]);
  });
}

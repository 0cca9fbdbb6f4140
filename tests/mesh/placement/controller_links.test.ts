/** Parts whose hosts lack links with those that use them. */
import assert from "node:assert/strict";
import type { HostRecord } from "../../../mesh/ports/coordination.ts";
import { Controller } from "../../../mesh/placement/controller.ts";
import { active, moving, options, placesOf, plan, run, stepsOf } from "./controlled_steps.ts";
import { hostRecord, meshView } from "./mesh_view.ts";

/** Hosts with shards, of which `a` and `b` also train; `without` have no link with `c`. */
const unlinkedFrom = (...without: readonly string[]) =>
  ["a", "b", "c", "d"].map((host) =>
    hostRecord(host, {
      roles: host < "c" ? ["shards", "trainer"] : ["shards"],
      unlinked: without.includes(host) ? [run("c")] : [],
    })
  );

Deno.test("a shard whose host no trainer reaches for two minutes goes to another host, and the mesh goes back", () => {
  const controller = new Controller(options);
  const at = (nowMs: number, ...without: readonly string[]) =>
    controller.observe(
      meshView({ nowMs, hosts: unlinkedFrom(...without), placements: { "shard/0": active("c") } }),
    );
  assert.deepEqual(at(0), []);
  assert.deepEqual(at(10_000, "a", "b"), []);
  assert.deepEqual(at(129_999, "a", "b"), []);
  assert.deepEqual(at(130_000, "a"), [], "one of them reaches it again");
  assert.deepEqual(at(140_000, "a", "b"), []);
  const steps = at(260_000, "a", "b");
  assert.deepEqual(placesOf(steps), { "shard/0": "(a)" });
  assert.ok(steps[0].kind === "place" && steps[0].rewind);
  assert.equal(
    steps[0].reason,
    "a and b have had no link with c for 120000 ms: a takes shard/0 over",
  );
});

Deno.test("a shard stays on a host that is cut off while no other host is better, or the store was away", () => {
  const hosts = [
    hostRecord("a", { roles: ["trainer"], unlinked: [run("c"), run("d")] }),
    hostRecord("c", { roles: ["shards"], unlinked: [run("a")] }),
    hostRecord("d", { roles: ["shards"], unlinked: [run("a")] }),
  ];
  const placements = { "shard/0": active("c") };
  const controller = new Controller(options);
  const at = (nowMs: number, hosts: readonly HostRecord[]) =>
    placesOf(controller.observe(meshView({ nowMs, hosts, placements })));
  for (const nowMs of [0, 60_000, 120_000, 180_000]) assert.deepEqual(at(nowMs, hosts), {});
  const [a, ...tables] = hosts;
  const better = [{ ...a, unlinked: [run("c")] }, ...tables];
  controller.lostContact();
  assert.deepEqual(at(200_000, better), {}, "it could not tell while the store was away");
  assert.deepEqual(at(210_000, better), { "shard/0": "(d)" });
  // The reports of a host whose lease has expired, and about an earlier run, say nothing.
  const silent = [hostRecord("a", { unlinked: [run("c")], expiresMs: 1 }), ...tables];
  const earlier = [{ ...a, unlinked: [{ host: "c", incarnation: "c-0" }] }, ...tables];
  for (const each of [silent, earlier]) {
    const fresh = new Controller({ ...options, patienceMs: 1e9 });
    const seen = [0, 200_000].map((nowMs) =>
      fresh.observe(meshView({ nowMs, hosts: each, placements }))
    );
    assert.deepEqual(seen, [[], []]);
  }
});

Deno.test("a trainer whose host no table reaches goes to another host without a rewind", () => {
  const hosts = ["a", "b"].map((host) => hostRecord(host, { roles: ["trainer"] }));
  const tables = hostRecord("c", { roles: ["shards"], unlinked: [run("a")] });
  const controller = new Controller(options);
  const placements = { "trainer/0": active("a"), "shard/0": active("c") };
  const at = (nowMs: number) =>
    controller.observe(meshView({ nowMs, hosts: [...hosts, tables], placements }));
  assert.deepEqual(at(0), []);
  const [step] = at(120_000);
  assert.deepEqual(placesOf([step]), { "trainer/0": "(b)" });
  assert.equal(step.kind === "place" && step.rewind, false);
});

Deno.test("no shard is copied between hosts without a link, and a lost one goes where trainers reach it", () => {
  const hosts = unlinkedFrom("a", "b");
  const underway = moving("a", "c", "filling");
  assert.deepEqual(placesOf(stepsOf({ hosts, placements: { "shard/0": underway } })), {
    "shard/0": "a",
  });
  const lost = { "shard/0": active("gone"), "shard/1": active("a"), "shard/2": active("b") };
  assert.deepEqual(placesOf(stepsOf({ hosts, placements: lost })), { "shard/0": "(d)" });
  const moves = [{ key: "shard/0", from: "a", to: "c" }] as const;
  const planned = { hosts, placements: { "shard/0": active("a") }, plan: plan({ moves }) };
  assert.deepEqual(stepsOf(planned), []);
});

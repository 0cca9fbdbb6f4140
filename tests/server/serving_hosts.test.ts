import assert from "node:assert/strict";
import { hostsServing, servingWith } from "../../server/serving_hosts.ts";
import { hostRecord, meshView } from "../mesh/placement/mesh_view.ts";

const view = meshView({
  hosts: [
    hostRecord("edge", { roles: ["serving"], expiresMs: 2_000 }),
    hostRecord("late", { roles: ["serving", "trainer"], expiresMs: 500 }),
    hostRecord("tables", { roles: ["shards"], expiresMs: 2_000 }),
  ],
});

Deno.test("a serving host whose lease has ended does not answer, and may still serve", () => {
  assert.deepEqual(hostsServing({ ...view, nowMs: 1_000 }), ["edge"]);
  assert.deepEqual(servingWith(view, "edge"), ["edge", "late"]);
});

Deno.test("a host that the mesh has removed does not know which hosts serve", () => {
  assert.throws(() => servingWith(view, "gone"), /the mesh does not have the host gone/);
});

/**
 * Goal: the advice to undrain hosts names only hosts that can take what stays, and as many as are
 * needed. Method: views of a mesh.
 */
import assert from "node:assert/strict";
import { orUndrain } from "../../../cli/placement/undrain_advice.ts";
import type { HostRecord } from "../../../mesh/ports/coordination.ts";
import { hostRecord, meshView } from "../../mesh/placement/mesh_view.ts";

const nowMs = 100_000;

function advice(roles: readonly string[], others: Readonly<Record<string, Partial<HostRecord>>>) {
  const hosts = Object.entries(others).map(([host, changes]) =>
    hostRecord(host, { state: "draining", ...changes })
  );
  return orUndrain(meshView({ nowMs, hosts: [hostRecord("own"), ...hosts] }), "own", roles);
}

Deno.test("hosts with the role that run and are draining are named, and no others", () => {
  const others = {
    a: { roles: ["shards"] },
    b: { roles: ["shards"], expiresMs: nowMs },
    c: { roles: ["shards"], state: "up" },
    d: { roles: ["trainer"] },
    e: { roles: ["shards", "trainer"] },
  } as const;
  assert.equal(advice(["shards"], others), ", or undrain a or e");
});

Deno.test("several roles lead to a host with all of them, or to a host for each", () => {
  const apart = { a: { roles: ["joiner"] }, b: { roles: ["trainer"] } } as const;
  assert.equal(
    advice(["joiner", "trainer"], apart),
    ", or undrain a for the role joiner and b for the role trainer",
  );
  const together = { ...apart, c: { roles: ["joiner", "trainer"] } } as const;
  assert.equal(advice(["joiner", "trainer"], together), ", or undrain c");
});

Deno.test("there is no advice where a role stays without a host", () => {
  assert.equal(advice(["joiner", "trainer"], { a: { roles: ["joiner"] } }), "");
  assert.equal(advice(["shards"], { a: { roles: ["shards"], expiresMs: nowMs - 1 } }), "");
  assert.equal(advice(["shards"], {}), "");
});

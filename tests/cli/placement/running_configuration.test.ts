import assert from "node:assert/strict";
import { requireRunning } from "../../../cli/placement/running_configuration.ts";
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import type { MeshView } from "../../../mesh/ports/coordination.ts";
import { configurationDigests, ownDigests } from "../../../server/machine/configuration_digests.ts";
import { spreadConfiguration } from "../../server/spread_hosts.ts";

/** A mesh at some time whose only host runs with a file; its lease ends at 100 ms. */
function meshOf(file: CairnConfiguration, nowMs = 99): MeshView {
  const tables = {
    host: "tables",
    expiresMs: 100,
    configuration: configurationDigests(file),
    ownSections: ownDigests(file),
  };
  return { hosts: new Map([["tables", tables]]), nowMs } as unknown as MeshView;
}

Deno.test("a host that is gone may have run with another file", () => {
  const [own, other] = [spreadConfiguration("all", 2), spreadConfiguration("2", 2)];
  assert.throws(() => requireRunning(own, meshOf(other)), /tables runs with other embeddings\./);
  requireRunning(own, meshOf(other, 100));
});

Deno.test("sections that a host has of its own are changed by restarts", () => {
  const file = spreadConfiguration("2", 3);
  const threads = { kind: "workers", shardThreads: 2, scoringThread: "own" } as const;
  const changes = {
    placement: { placement: threads },
    "embeddings.serving.replicas": { servingReplicas: 3 },
  };
  for (const [section, change] of Object.entries(changes)) {
    const changed = { ...file, ...change };
    requireRunning(changed, meshOf(changed));
    assert.throws(
      () => requireRunning(changed, meshOf(file)),
      {
        message: "Hosts take this configuration when they start: tables runs with other " +
          `${section}. Restart them with this file one after another.`,
      },
    );
  }
});

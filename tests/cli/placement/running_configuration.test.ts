import assert from "node:assert/strict";
import { comparedWithHosts } from "../../../cli/placement/running_configuration.ts";
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import type { MeshView } from "../../../mesh/ports/coordination.ts";
import { configurationDigests, ownDigests } from "../../../server/machine/configuration_digests.ts";
import { secretFingerprints } from "../../../server/machine/secret_fingerprints.ts";
import { present } from "../../../structures/invariant.ts";
import { spreadConfiguration } from "../../server/spread_hosts.ts";

/** A mesh at some time whose only host runs with a file; its lease ends at 100 ms. */
function meshOf(file: CairnConfiguration, nowMs = 99, roles = ["serving", "shards"]): MeshView {
  const tables = {
    host: "tables",
    roles,
    expiresMs: 100,
    configuration: configurationDigests(file),
    ownSections: ownDigests(file),
    secrets: secretFingerprints(present(file.mesh, "it is of a mesh")),
  };
  return { hosts: new Map([["tables", tables]]), nowMs } as unknown as MeshView;
}

Deno.test("a host that is gone may have run with another file", () => {
  const [own, other] = [spreadConfiguration("all", 2), spreadConfiguration("2", 2)];
  assert.match(comparedWithHosts(own, meshOf(other)) ?? "", /^tables runs with other embeddings\./);
  assert.equal(comparedWithHosts(own, meshOf(other, 100)), undefined);
  const model = { ...own, compared: { ...own.compared, model: "another one" } };
  assert.throws(() => comparedWithHosts(model, meshOf(own)), /tables runs with other model\./);
  comparedWithHosts(model, meshOf(own, 100));
});

Deno.test("a host that does not serve need not be restarted for another number of replicas", () => {
  const [all, two] = ["all", "2"].map((replicas) => spreadConfiguration(replicas, 3));
  assert.equal(comparedWithHosts(two, meshOf(all, 99, ["shards"])), undefined);
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
    assert.equal(comparedWithHosts(changed, meshOf(changed)), undefined);
    assert.equal(
      comparedWithHosts(changed, meshOf(file)),
      `tables runs with other ${section}, which hosts take when they start: restart the hosts ` +
        "with this file, one after another\n",
    );
  }
});

Deno.test("a secret is changed by restarts with the former one beside it, and by no other file", () => {
  const file = spreadConfiguration("2", 3);
  const mesh = present(file.mesh, "it is of a mesh");
  const withSecrets = (...secrets: string[]) => ({ ...file, mesh: { ...mesh, secrets } });
  const [before, changing, after] = [["old"], ["new", "old"], ["new"]]
    .map((secrets) => withSecrets(...secrets));
  const restart = "tables runs with other mesh.secret, which hosts take when they start: restart " +
    "the hosts with this file, one after another\n";
  assert.equal(comparedWithHosts(before, meshOf(before)), undefined);
  assert.equal(comparedWithHosts(changing, meshOf(before)), restart);
  assert.equal(comparedWithHosts(after, meshOf(changing)), restart);
  for (const [own, other] of [[after, before], [before, file], [file, before]]) {
    assert.throws(() => comparedWithHosts(own, meshOf(other)), {
      name: "CommandError",
      message: /^A running mesh cannot take .*: tables runs with other mesh\.secret, and hosts /,
    });
    assert.equal(comparedWithHosts(own, meshOf(other, 100)), undefined, "it is gone");
  }
});

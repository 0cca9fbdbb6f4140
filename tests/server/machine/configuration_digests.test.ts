/**
 * The settings on which the hosts of a mesh agree.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { configurationDigests } from "../../../server/machine/configuration_digests.ts";
import { meshSettingsOf } from "../../../server/machine/mesh_settings.ts";

function configured(precision: string) {
  return parseConfiguration(
    `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
model: { kind: factorizationMachine, embeddingDim: 4, tasks: [liked] }
embeddings: { serving: { precision: ${precision} } }
joiner: { tasks: { liked: [{ action: seen, label: positive }] } }`,
    "mesh.yaml",
  );
}

Deno.test("a restart may change the precision of serving of a mesh, and hosts of two do not link", () => {
  const [exact, halves] = [configured("fp32"), configured("fp16")];
  assert.deepEqual(meshSettingsOf(halves), meshSettingsOf(exact));
  const [one, other] = [configurationDigests(exact), configurationDigests(halves)];
  const different = Object.keys(other).filter((section) => one[section] !== other[section]);
  assert.deepEqual(different, ["embeddings.serving.precision"]);
});

import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { withDivisions } from "../../configuration/sharding.ts";
import { smallConfiguration } from "../integration/small_mesh.ts";

const written = (shards: number, serving = "serving: { bytesMax: 64MiB }") =>
  parseConfiguration(
    smallConfiguration("in one thread").replace(
      "shards: { count: 4 }",
      `shards: { count: ${shards} }`,
    )
      .replace("serving: { bytesMax: 64MiB }", serving),
    "cairn.yaml",
  );

Deno.test("a sharding has the limits of a file with its number of shards", () => {
  for (const serving of ["serving: { bytesMax: 64MiB }", "serving: { precision: fp32 }"]) {
    for (const shards of [1, 3, 7, 16]) {
      const { warnings: _, ...changed } = withDivisions(written(4, serving), {
        sharding: 5,
        shards,
        dealing: 3,
        trainers: 2,
        partitionings: [{ events: 1, examples: 2 }, { events: 3, examples: 3 }],
      });
      const { warnings: __, ...asWritten } = written(shards, serving);
      assert.deepEqual(changed, {
        ...asWritten,
        sharding: 5,
        dealing: 3,
        trainerCount: 2,
        partitions: { events: 3, examples: 3 },
        earlierPartitions: [{ events: 1, examples: 2 }],
      });
    }
  }
});

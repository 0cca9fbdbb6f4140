/**
 * The settings on which the hosts of a mesh agree.
 */
import assert from "node:assert/strict";
import { clashingSections, HOSTS_SECTION } from "../../../mesh/ports/agreed_sections.ts";
import {
  configurationDigests,
  linkDigests,
  ownDigests,
} from "../../../server/machine/configuration_digests.ts";
import { meshSettingsOf } from "../../../server/machine/mesh_settings.ts";
import { spreadConfiguration } from "../spread_hosts.ts";
import { servedIn } from "../../configuration/served_precision.ts";

Deno.test("a restart may change the precision of serving of a mesh, and hosts of two do not link", () => {
  const [exact, halves] = [servedIn("fp32"), servedIn("fp16")];
  assert.deepEqual(meshSettingsOf(halves), meshSettingsOf(exact));
  const [one, other] = [configurationDigests(exact), configurationDigests(halves)];
  const different = Object.keys(other).filter((section) => one[section] !== other[section]);
  assert.deepEqual(different, ["embeddings.serving.precision"]);
});

Deno.test("hosts of two numbers of feature keepers do not link", () => {
  const exact = servedIn("fp32");
  const keepers = (shards: number) =>
    configurationDigests({ ...exact, featureKeeper: { shards } as never });
  const [one, two] = [keepers(1), keepers(2)];
  const different = Object.keys(two).filter((section) => one[section] !== two[section]);
  assert.deepEqual(different, ["kept.shards"]);
});

Deno.test("hosts whose kept features divide events by other slots do not link", () => {
  const exact = servedIn("fp32");
  const by = (name: string) => {
    const keptSlots = [{ name, number: 1, column: 0 }];
    return configurationDigests({ ...exact, ranker: { ...exact.ranker, keptSlots } });
  };
  const [one, other] = [by("category"), by("author")];
  const different = Object.keys(other).filter((section) => one[section] !== other[section]);
  assert.deepEqual(different, ["kept.features"]);
});

Deno.test("a host may hold other replicas than the others", () => {
  const [all, two, three] = ["all", "2", "3"].map((replicas) => spreadConfiguration(replicas, 3));
  for (const [one, other] of [[all, two], [two, three]]) {
    assert.deepEqual(meshSettingsOf(one), meshSettingsOf(other));
    assert.deepEqual(configurationDigests(one), configurationDigests(other));
    assert.notDeepEqual(ownDigests(one), ownDigests(other));
  }
});

Deno.test("a host may have other threads than the others where a store is underneath", () => {
  const small = spreadConfiguration("all", 2);
  const threads = { kind: "workers", shardThreads: 2, scoringThread: "own" } as const;
  const large = { ...small, placement: threads };
  assert.deepEqual(configurationDigests(large), configurationDigests(small));
  assert.notDeepEqual(ownDigests(large), ownDigests(small));
  const alone = { ...small, storage: { ...small.storage, redis: undefined } } as typeof small;
  const other = { ...alone, placement: threads };
  const [a, b] = [configurationDigests(alone), configurationDigests(other)];
  assert.deepEqual(Object.keys(b).filter((section) => a[section] !== b[section]), ["placement"]);
});

Deno.test("files may list other hosts where a store is underneath", () => {
  for (const replicas of ["all", "2"]) {
    const [two, three] = [2, 3].map((edges) => spreadConfiguration(replicas, edges));
    const [a, b] = [configurationDigests(two), configurationDigests(three)];
    const different = Object.keys(b).filter((section) => a[section] !== b[section]);
    assert.deepEqual(different, [`${HOSTS_SECTION}.edge-3`]);
    assert.deepEqual(clashingSections(a, b), []);
  }
});

Deno.test("hosts do not link where their stores have two meshes, or one of them has no store", () => {
  const file = spreadConfiguration("all", 2);
  const [one, other, none] = ["m1", "m2", undefined].map((mesh) => linkDigests(file, mesh));
  assert.deepEqual(clashingSections(one, linkDigests(file, "m1")), []);
  for (const different of [other, none]) {
    assert.deepEqual(clashingSections(one, different), ["storage.redis"]);
  }
});

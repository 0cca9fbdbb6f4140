import assert from "node:assert/strict";
import { requireRunning } from "../../../cli/placement/running_configuration.ts";
import type { MeshView } from "../../../mesh/ports/coordination.ts";
import { configurationDigests } from "../../../server/machine/configuration_digests.ts";
import { spreadConfiguration } from "../../server/spread_hosts.ts";

Deno.test("a host that is gone may have run with another file", () => {
  const [own, other] = [spreadConfiguration("all", 2), spreadConfiguration("2", 2)];
  const at = (nowMs: number) => {
    const tables = { host: "tables", expiresMs: 100, configuration: configurationDigests(other) };
    return { hosts: new Map([["tables", tables]]), nowMs } as unknown as MeshView;
  };
  assert.throws(() => requireRunning(own, at(99)), /tables runs with other embeddings\./);
  requireRunning(own, at(100));
});

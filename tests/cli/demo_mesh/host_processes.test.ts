import assert from "node:assert/strict";
import { HostProcesses } from "../../../cli/demo_mesh/host_processes.ts";
import { CommandError } from "../../../cli/errors.ts";

Deno.test("a host that has ended by itself is an error with the end of its log", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const hosts = new HostProcesses(`${folder}/missing.yaml`, folder);
    const saysWhy = (error: unknown) =>
      error instanceof CommandError && error.message.includes("missing.yaml");
    await assert.rejects(hosts.start("edge-1"), saysWhy);
    await assert.rejects(
      hosts.end("edge-1", "SIGKILL"),
      (error) => saysWhy(error) && /has ended by itself with exit code 2:/.test(`${error}`),
    );
    await hosts.killAll();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { HostProcesses } from "../../../cli/demo_mesh/host_processes.ts";
import { CommandError } from "../../../cli/errors.ts";

Deno.test("a host that has ended by itself is an error with the end of its log", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const hosts = new HostProcesses({ configuration: `${folder}/missing.yaml`, folder });
    const saysWhy = (error: unknown) =>
      error instanceof CommandError && error.message.includes("missing.yaml");
    await assert.rejects(hosts.start("edge-1"), saysWhy);
    await assert.rejects(
      hosts.end("edge-1", "SIGKILL"),
      (error) => saysWhy(error) && /has ended by itself with exit code 2:/.test(`${error}`),
    );
    await assert.rejects(hosts.failure, saysWhy);
    assert.equal(hosts.rejoined, 0);
    await hosts.killAll();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A host that is ready, and at its first start loses its lease then. */
const loses = `
if [ -e "$1" ]; then echo "Host a runs" >&2; exec sleep 60; fi
touch "$1"; echo "Host a runs" >&2
echo 'error: Host "a" was removed from the mesh, because its lease expired. The process must stop; it may join again.' >&2
exit 1
`;

Deno.test("a host that has lost its lease is started again, and one that ends otherwise is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const rejoined = Promise.withResolvers<string>();
    const hosts = new HostProcesses({
      configuration: "",
      folder,
      onRejoined: rejoined.resolve,
      commandOf: (host) =>
        host === "a"
          ? ["sh", "-c", loses, "sh", `${folder}/started`]
          : ["sh", "-c", "echo 'Host b runs' >&2; exit 3"],
    });
    await hosts.start("a");
    assert.equal(await rejoined.promise, "a");
    assert.equal(hosts.rejoined, 1);
    await hosts.start("b");
    await assert.rejects(hosts.failure, /Host b has ended by itself with exit code 3: Host b runs/);
    assert.equal((await hosts.end("a", "SIGKILL")).signal, "SIGKILL");
    await hosts.killAll();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a host that is not ready in time is an error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const hosts = new HostProcesses({
      configuration: "",
      folder,
      commandOf: () => ["sleep", "60"],
      readyMsMax: 50,
    });
    await assert.rejects(hosts.start("a"), /Host a was not ready within 0.05 seconds/);
    await hosts.killAll();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { instantiateKernel } from "../../../kernels/embedding/kernel_module.ts";
import type { TableExports } from "../../../kernels/embedding/table_exports.ts";

const DOCUMENT = new URL("../../../kernels/embedding/ABI.md", import.meta.url);

Deno.test("ABI.md states the version of the kernel", async () => {
  const [, version] = /^Version (\d+)\./m.exec(await Deno.readTextFile(DOCUMENT)) ?? [];
  assert.equal(Number(version), instantiateKernel<TableExports>().abi_version());
});

Deno.test("ABI.md names every export of the kernel and no other function", async () => {
  const document = await Deno.readTextFile(DOCUMENT);
  const named = new Set(
    document.match(/\b(table|serving|batch|candidates)_[a-z0-9_]+(?![a-z_]*\.)/g),
  );
  named.add("abi_version");
  const exported = Object.entries(instantiateKernel())
    .flatMap(([name, value]) => typeof value === "function" ? [name] : []);
  const undocumented = exported.filter((name) => !named.has(name));
  const files = new Set(["table_exports", "table_encoding", "table_"]);
  const unknown = [...named].filter((name) => !exported.includes(name) && !files.has(name));
  assert.deepEqual({ undocumented, unknown }, { undocumented: [], unknown: [] });
});

import assert from "node:assert/strict";
import type { PartMemory } from "./memory.ts";

const [DOCUMENT, SCRIPT] = ["../../../docs/performance/growth.md", "memory.ts"]
  .map((path) => new URL(path, import.meta.url).pathname);

Deno.test("rows and open rankings take the memory that they account for, and that the document states", async () => {
  const { stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT],
  }).output();
  assert.equal(code, 0);
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const parts = lines.map((line): PartMemory => JSON.parse(line));
  assert.equal(parts.length, 5);
  const text = Deno.readTextFileSync(DOCUMENT);
  for (const { part, accountedBytes, residentBytes } of parts) {
    const factor = residentBytes / accountedBytes;
    assert.ok(
      factor > 0.8 && factor < 1.25,
      `${part}: resident ${residentBytes} of ${accountedBytes}`,
    );
    const [, stated] = new RegExp(`^\\| ${part} +\\| ([\\d,]+) `, "m").exec(text) ?? [];
    const statedBytes = Number(stated?.replace(",", ""));
    assert.ok(Math.abs(statedBytes / accountedBytes - 1) < 0.03, `${part}: ${stated} is stated`);
  }
});

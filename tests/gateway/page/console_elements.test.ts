import assert from "node:assert/strict";
import { withCode } from "../../../gateway/page/console/elements.js";

Deno.test("commands between back-quotes are code in a warning, and all else is its text", () => {
  const made = (name: string) => ({
    name,
    text: [] as string[],
    append(...text: string[]) {
      this.text.push(...text);
    },
  });
  Object.assign(globalThis, { document: { createElement: made } });
  try {
    const nodes: readonly (string | ReturnType<typeof made>)[] = withCode(
      "Run `cairn status`, or `redis-cli --latency`: see <b>.",
    );
    const texts = nodes.map((node) =>
      typeof node === "string" ? node : `${node.name}(${node.text})`
    );
    assert.deepEqual(texts, [
      "Run ",
      "code(cairn status)",
      ", or ",
      "code(redis-cli --latency)",
      ": see <b>.",
    ]);
    assert.deepEqual(withCode("No command."), ["No command."]);
  } finally {
    Reflect.deleteProperty(globalThis, "document");
  }
});

import assert from "node:assert/strict";
import { readLines } from "../../../offline/datasets/lines.ts";

Deno.test("a pipe is read once, from its beginning", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const pipe = `${folder}/pipe`;
    const { success } = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assert.ok(success);
    const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}`).join("\n");
    const written = Deno.writeTextFile(pipe, text);
    let read = 0;
    for await (const { lines } of readLines(pipe)) {
      for (const line of lines) assert.equal(line, `line ${read++}`);
    }
    assert.equal(read, 20_000);
    await written;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";

Deno.test("the installed command runs from any folder on the caller's files", async () => {
  const folder = await Deno.makeTempDir({ prefix: "cairn's-" });
  try {
    const root = new URL("../../", import.meta.url).pathname;
    const install = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${root}scripts/install.ts`, "--root", folder],
    }).output();
    assert.ok(install.success, new TextDecoder().decode(install.stderr));
    await Deno.copyFile(`${root}examples/movies.yaml`, `${folder}/my.yaml`);
    const exported = await new Deno.Command(`${folder}/bin/cairn`, {
      args: ["model", "export", "m.onnx", "--config", "my.yaml"],
      cwd: folder,
    }).output();
    assert.ok(exported.success, new TextDecoder().decode(exported.stderr));
    assert.ok((await Deno.stat(`${folder}/m.onnx`)).size > 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { sizeText } from "../../../mesh/placement/byte_sizes.ts";

Deno.test("sizes have the unit that leaves one to four digits", () => {
  assert.equal(sizeText(0), "0 KiB");
  assert.equal(sizeText(512 * 1024), "512 KiB");
  assert.equal(sizeText(1.5 * 2 ** 20), "1.5 MiB");
  assert.equal(sizeText(12 * 2 ** 30), "12 GiB");
  assert.equal(sizeText(4_000 * 2 ** 40), "4000 TiB");
});

/**
 * Goal: a reader waits for the disk once for all records that the server has, not once for each
 * read. Method: real servers that do not sync before they answer, and count their commands.
 */
import assert from "node:assert/strict";
import type { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { testsOf } from "./own_server.ts";
import { withPrograms } from "./servers.ts";

/** Each wait of such a server is one WAITAOF, as with `everysec`, but ends at once. */
const settings = { "appendfsync": "always", "no-appendfsync-on-rewrite": "yes" };

withPrograms((program) => {
  const test = testsOf(program);

  test("one wait covers the records that later reads bring", async (world) => {
    const [writer, reader] = [await world.open(), await world.open()];
    const [from, to] = [await world.log(writer), await world.log(reader)];
    await from.append(0, Array.from({ length: 200 }, (_, i) => Uint8Array.of(i)));
    const before = await waitsOf(reader);
    const got: number[] = [];
    while (got.length < 200) {
      const records = await to.read(0, got.length, 10);
      got.push(...records.map(({ bytes }) => bytes[0]));
    }
    assert.deepEqual(got, Array.from({ length: 200 }, (_, i) => i));
    assert.equal(await waitsOf(reader) - before, 1);
    await from.append(0, [Uint8Array.of(1)]);
    const later = await waitsOf(reader);
    assert.equal((await to.read(0, 200, 10)).length, 1);
    assert.equal(await waitsOf(reader) - later, 1);
  }, settings);
});

async function waitsOf(server: RedisServer): Promise<number> {
  const stats = await server.commands.send<string>(["INFO", "commandstats"]);
  return Number(/cmdstat_waitaof:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

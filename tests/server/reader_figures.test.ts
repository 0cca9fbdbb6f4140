import assert from "node:assert/strict";
import type { Mesh } from "../../mesh/runtime/mesh.ts";
import { readerFigures } from "../../server/reader_figures.ts";

Deno.test("a host tells how much its readers have not read, without those that do not answer", async () => {
  const answers: Record<string, unknown> = {
    "joiner/1": { recordsUnread: 70 },
    "trainer/0": { chunksUnread: 7 },
    "feature_keeper/1": { recordsUnread: 90 },
  };
  const actorRef = (address: string) => ({
    ask: () =>
      address in answers
        ? Promise.resolve(answers[address])
        : Promise.reject(new Error("it is away")),
  });
  const figures = await readerFigures(
    { actorRef } as unknown as Mesh,
    new Map([
      ["events/1", "joiner/1"],
      ["events/3", "joiner/3"],
      ["trainer/0", "trainer/0"],
      ["keeper/1", "feature_keeper/1"],
    ]),
    1_000,
  );
  assert.deepEqual(figures, {
    "events/1.unread": 70,
    "trainer/0.unread": 7,
    "keeper/1.unread": 90,
  });
});

/**
 * A user who is taught to like one of two items, so that the order of their scores shows which
 * phase a mesh has learned.
 */
import { type Client, scoreOf } from "../../integration/small_mesh.ts";

const ITEMS = ["a", "b"];

/** Teaches that the user likes an item and dislikes the other; returns the scores after it. */
export async function teach(client: Client, phase: string, liked: string): Promise<number[]> {
  let acceptedAtMs = 0;
  for (let round = 0; round < 20; round++) {
    const { rankingId } = await client.rank("cat", ITEMS);
    const results = await client.post(ITEMS.map((item) => ({
      eventId: `${phase}-${round}-${item}`,
      rankingId,
      item,
      action: item === liked ? "click" : "dismiss",
    })));
    acceptedAtMs = Math.max(acceptedAtMs, ...results.map((result) => result.acceptedAtMs));
  }
  return scoresOf(await client.rankFresh("cat", ITEMS, acceptedAtMs));
}

/** The scores of both items. */
export async function scores(client: Client): Promise<number[]> {
  return scoresOf(await client.rank("cat", ITEMS));
}

function scoresOf(ranking: Parameters<typeof scoreOf>[0]): number[] {
  return ITEMS.map((item) => scoreOf(ranking, item));
}

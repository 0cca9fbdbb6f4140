/**
 * Reads all rows of a shard, page by page.
 */
import type { EmbeddingShardMessage, ShardCursor } from "../../actors/embedding_shard/protocol.ts";
import type { ClassPage } from "../../kernels/embedding/class_tables.ts";
import type { ActorRef } from "../../mesh/runtime/actor.ts";

const BUDGET = { budgetMs: 10_000 };
const PAGE_ROWS = 4_096;

/** The pages of a shard's rows. */
export async function* rowsOf(shard: ActorRef<EmbeddingShardMessage>): AsyncIterable<ClassPage> {
  let cursor: ShardCursor | undefined;
  for (let done = false; !done;) {
    const page: ClassPage & { readonly cursor: ShardCursor } = await shard.ask(
      { kind: "exportRows", rowsMax: PAGE_ROWS, ...(cursor !== undefined && { cursor }) },
      BUDGET,
    );
    ({ cursor, done } = page);
    yield page;
  }
}

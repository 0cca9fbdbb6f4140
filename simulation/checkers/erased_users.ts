/**
 * An erased user is found nowhere.
 *
 *     at the end, ∀ receipts:  status ≠ erasing  ⇒  no row of the user in any shard or replica
 *                              status = erased   ⇒  no file has the id, as text or as hash
 *
 * An erased visitor comes back under another id, so that nothing brings the user back. A
 * fail-over of Redis that loses records ends the promise for the erasures before it.
 */
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { featureIdOf, signatureOf } from "../../records/forgotten.ts";
import { addresses } from "../../server/plan.ts";
import { holdsBytes } from "../../structures/byte_search.ts";
import type { Reply } from "../world/client.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";
import { rowsOf } from "./shard_rows.ts";

const BUDGET = { budgetMs: 10_000 };
const ERASURE = /^\/v1\/users\/([^/?]+)\?forget=true$/;

/**
 * @param running The serving processes at the end of the run.
 * @param files Path and content of everything that is stored.
 */
export function erasedUsers(
  running: () => readonly Serving[],
  files: () => Iterable<readonly [string, Uint8Array]>,
): CheckerFactory {
  return (context) => {
    /** By the id of the receipt. */
    const users = new Map<string, string>();
    return {
      name: "erased-users",
      replied(reply) {
        const erased = erasureOf(reply);
        if (erased !== undefined) users.set(erased.erasureId, erased.user);
      },
      redisLost: () => users.clear(),
      async atEnd() {
        for (const serving of running()) {
          for (const [erasureId, user] of users) {
            const problem = await problemOf(serving, erasureId, user, files);
            if (problem !== undefined) return context.fail(problem);
          }
        }
      },
    };
  };
}

function erasureOf({ method, path, status, body }: Reply) {
  const user = method === "DELETE" && status === 202 ? ERASURE.exec(path)?.[1] : undefined;
  if (user === undefined) return undefined;
  return { user, erasureId: (body as { readonly erasureId: string }).erasureId };
}

async function problemOf(
  serving: Serving,
  erasureId: string,
  user: string,
  files: () => Iterable<readonly [string, Uint8Array]>,
): Promise<string | undefined> {
  const request = new Request(`http://simulated/v1/erasures/${erasureId}`);
  const response = await serving.mesh.fetch(request);
  const { status } = await response.json() as { readonly status: string };
  if (response.status !== 200) return `the receipt of ${user} was answered ${response.status}`;
  if (status === "erasing") return undefined;
  const place = await rowOf(serving, user);
  if (place !== undefined) return `${user} is ${status}, and ${place} has a row of it`;
  if (status !== "erased") return undefined;
  for (const [path, content] of files()) {
    for (const trace of tracesOf(user)) {
      if (holdsBytes(content, trace)) return `${user} is erased, and ${path} has the id`;
    }
  }
  return undefined;
}

/** The table that has a row of the user; undefined where none has. */
async function rowOf({ mesh: { mesh, configuration }, host }: Serving, user: string) {
  const { shardCount, sharding, trainer: { userSlots }, servingReplica } = configuration;
  const ids = new Set(userSlots.ids.map((slot) => featureIdOf(slot, signatureOf(user))));
  for (let shard = 0; shard < shardCount; shard++) {
    const owner = addresses.embeddingShard(shard, sharding);
    for await (const page of rowsOf(mesh.actorRef<EmbeddingShardMessage>(owner))) {
      if (page.ids.some((id) => ids.has(id))) return owner;
    }
    const address = addresses.servingReplica(shard, sharding, host);
    const replica = mesh.actorRef<ServingReplicaMessage>(address);
    for (let rowClass = 0; rowClass < servingReplica.widths.length; rowClass++) {
      const starts = Uint32Array.from(
        { length: servingReplica.widths.length + 1 },
        (_, at) => at > rowClass ? ids.size : 0,
      );
      const { found } = await replica.ask(
        { kind: "lookup", ids: BigUint64Array.from(ids), starts },
        BUDGET,
      );
      if (found.includes(1)) return address;
    }
  }
  return undefined;
}

/** The id as text between other characters, and the signature in either byte order. */
function tracesOf(user: string): Uint8Array[] {
  const words = new Uint8Array(8);
  new DataView(words.buffer).setBigUint64(0, BigInt(signatureOf(user)), true);
  const little = words.slice(0, 6);
  return [messagePackText(user), little, little.toReversed()];
}

/** A text as MessagePack writes it: its length comes first, so that no other id has the bytes. */
function messagePackText(text: string): Uint8Array {
  const utf8 = new TextEncoder().encode(text);
  return Uint8Array.of(0xa0 | utf8.length, ...utf8);
}

/**
 * An erased user is found nowhere.
 *
 *     at the end, ∀ receipts:  status ≠ erasing  ⇒  no row of the user in any shard or replica,
 *                                                   also where a replica of former shards is kept
 *                              status = erased   ⇒  no file has the id, as text or as hash
 *     ∀ erasures a, b of a user, where b began later in the log:
 *                              a does not pass the log again behind the second pass of b
 *
 * An erased visitor comes back under another id, so that nothing brings the user back. Where the
 * user was erased several times, the files are searched when all receipts are erased, and only if
 * the last request was answered: an erasure without an answer may be under way. A fail-over of
 * Redis that loses records ends the promise for the erasures before it.
 */
import {
  ReplicaNotCurrentError,
  type ServingReplicaMessage,
} from "../../actors/serving_replica/protocol.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { ForgetRecord } from "../../records/event_record.ts";
import { featureIdOf, signatureOf } from "../../records/forgotten.ts";
import { addresses } from "../../server/addresses.ts";
import { holdsBytes } from "../../structures/byte_search.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";
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
    /** Ids of the receipts, by user. */
    const receipts = new Map<string, Set<string>>();
    const passes = new ErasurePasses();
    /** Users whose last request had no answer. */
    const unanswered = new Set<string>();
    return {
      name: "erased-users",
      replied(reply) {
        const user = reply.method === "DELETE" ? ERASURE.exec(reply.path)?.[1] : undefined;
        if (user === undefined) return;
        if (reply.status !== 202) return void unanswered.add(user);
        unanswered.delete(user);
        const { erasureId } = reply.body as { readonly erasureId: string };
        receipts.set(user, (receipts.get(user) ?? new Set()).add(erasureId));
      },
      durable(log, partition, records) {
        if (log !== "events" || partition !== 0) return;
        for (const record of decodedEvents(records)) {
          const problem = record.kind === "forget" ? passes.note(record) : undefined;
          if (problem !== undefined) context.fail(problem);
        }
      },
      redisLost() {
        receipts.clear();
        passes.clear();
      },
      async atEnd() {
        for (const serving of running()) {
          for (const [user, erasureIds] of receipts) {
            const isLast = !unanswered.has(user);
            const problem = await problemOf(serving, { user, erasureIds, isLast }, files);
            if (problem !== undefined) return context.fail(problem);
          }
        }
      },
    };
  };
}

/** The records of erasures in the log, by user. */
class ErasurePasses {
  /** In the order in which they began. */
  readonly #erasures = new Map<string, { readonly erasureId: string; isSecond: boolean }[]>();

  /** Notes a record; returns what is wrong with it. */
  note({ user, erasureId, pass }: ForgetRecord): string | undefined {
    const erasures = this.#erasures.get(user) ?? [];
    this.#erasures.set(user, erasures);
    if (pass === 1) {
      erasures.push({ erasureId, isSecond: false });
      return undefined;
    }
    const index = erasures.findIndex((each) => each.erasureId === erasureId);
    if (index < 0) return undefined;
    erasures[index].isSecond = true;
    const later = erasures.slice(index + 1).find(({ isSecond }) => isSecond);
    return later &&
      `the erasure ${erasureId} of ${user} passes the log again behind ${later.erasureId}, which ` +
        "began later";
  }

  clear(): void {
    this.#erasures.clear();
  }
}

/** A user and the receipts of its erasures. */
interface Erased {
  readonly user: string;
  readonly erasureIds: ReadonlySet<string>;
  /** Whether no other erasure of the user can be under way. */
  readonly isLast: boolean;
}

async function problemOf(
  serving: Serving,
  { user, erasureIds, isLast }: Erased,
  files: () => Iterable<readonly [string, Uint8Array]>,
): Promise<string | undefined> {
  const statuses: string[] = [];
  for (const erasureId of erasureIds) {
    const request = new Request(`http://simulated/v1/erasures/${erasureId}`);
    const response = await serving.mesh.fetch(request);
    const { status } = await response.json() as { readonly status: string };
    if (response.status !== 200) return `the receipt of ${user} was answered ${response.status}`;
    statuses.push(status);
  }
  if (statuses.includes("erasing")) return undefined;
  const address = await rowOf(serving, user);
  if (address !== undefined) {
    return `${user} is ${statuses.join(", ")}, and ${address} has a row of it`;
  }
  if (!isLast || statuses.some((status) => status !== "erased")) return undefined;
  for (const [path, content] of files()) {
    for (const trace of tracesOf(user)) {
      if (holdsBytes(content, trace)) return `${user} is erased, and ${path} has the id`;
    }
  }
  return undefined;
}

/** The table that has a row of the user, of the present sharding or kept; undefined = none. */
async function rowOf({ mesh: { mesh, configuration } }: Serving, user: string) {
  const { shardCount, sharding, trainer: { userSlots }, servingReplica } = configuration;
  const ids = new Set(userSlots.ids.map((slot) => featureIdOf(slot, signatureOf(user))));
  for (let shard = 0; shard < shardCount; shard++) {
    const owner = addresses.embeddingShard(shard, sharding);
    for await (const page of rowsOf(mesh.actorRef<EmbeddingShardMessage>(owner))) {
      if (page.ids.some((id) => ids.has(id))) return owner;
    }
  }
  for (const address of mesh.addressesOf("serving_replica")) {
    const replica = mesh.actorRef<ServingReplicaMessage>(address);
    for (let rowClass = 0; rowClass < servingReplica.widths.length; rowClass++) {
      const starts = Uint32Array.from(
        { length: servingReplica.widths.length + 1 },
        (_, at) => at > rowClass ? ids.size : 0,
      );
      const { found } = await replica.ask(
        { kind: "lookup", ids: BigUint64Array.from(ids), starts },
        BUDGET,
      ).catch((error: Error) => {
        if (error.name !== ReplicaNotCurrentError.name) throw error;
        return { found: new Uint8Array() }; // nor has anyone else rows of it
      });
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

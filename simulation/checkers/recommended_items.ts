/**
 * Candidates come from live rows of stored items, and filters hold for each of them.
 *
 *     ∀ answer of a retriever:  its items are held, each once, and meet every condition
 *                               the model's scores fall; no source has more than asked for
 *                               no item is similar to itself
 *     at the end:               items(retriever) = stored items, and all have vectors
 *                               score = ⟨vector of the user, vector of the item⟩ + bias,
 *                               similarity = cosine of the vectors of two items,
 *                               with vectors made now, but for the codes of eight bits
 *
 * The items held are those of the messages to the present incarnation.
 */
import type {
  PutItems,
  Retrieve,
  Retrieved,
  RetrieverMessage,
  RetrieveSimilar,
} from "../../actors/retriever/protocol.ts";
import type { ScorerMessage } from "../../actors/scorer/protocol.ts";
import type { RetrieverOptions } from "../../actors/retriever/options.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { Attributes, ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { ActorRef, Address } from "../../mesh/runtime/actor.ts";
import { compileCondition, type FilterScope } from "../../rules/compile_expression.ts";
import { parseCondition } from "../../rules/parse_expression.ts";
import { addresses } from "../../server/addresses.ts";
import { present } from "../../structures/invariant.ts";
import { messageCopy } from "../world/message_copy.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";

const BUDGET = { budgetMs: 10_000 };
const RETRIEVER = "retriever/";
/** Time for the last rows to be learned and to expire, and for all vectors to be made again, ms. */
const AGREE_MS_MAX = 20_000;
const PAUSE_MS = 500;
/** Candidates that are asked for at the end. */
const COUNT = 500;
/** Half a code of eight bits, and rounding, relative to the query's and the item's numbers. */
const CODE_ERROR = 0.5 / 127 + 1e-4;

interface Incarnation {
  readonly options: RetrieverOptions;
  readonly items: Map<string, Attributes>;
  /** Ids that have come since the listing under way began. */
  listed?: Set<string>;
}

/** @param running The serving processes at the end of the run. */
export function recommendedItems(running: () => readonly Serving[]): CheckerFactory {
  return (context) => {
    const retrievers = new Map<Address, Incarnation>();
    let asked: Retrieve | undefined;
    return {
      name: "recommended-items",
      processDied: (host) => void retrievers.delete(addresses.retriever(host)),
      began(actor, _host, options) {
        if (!actor.startsWith(RETRIEVER)) return;
        retrievers.set(actor, { options: options as RetrieverOptions, items: new Map() });
      },
      handles(actor, message) {
        const retriever = retrievers.get(actor);
        if (retriever === undefined) return;
        const sent = message as RetrieverMessage;
        if (sent.kind === "retrieve") asked = messageCopy(sent);
        if (sent.kind === "putItems") put(retriever, sent);
      },
      answers(actor, request, value) {
        const retriever = retrievers.get(actor);
        if (retriever === undefined) return;
        const sent = request as RetrieverMessage;
        if (sent.kind !== "retrieve" && sent.kind !== "retrieveSimilar") return;
        const problem = problemOf(retriever, sent, value as Retrieved);
        if (problem !== undefined) context.fail(`${actor} ${problem}`);
      },
      replied({ path, status, body }) {
        if (path !== "/v1/recommend" && path !== "/v1/similar" || status !== 422) return;
        context.fail(
          `a valid request was refused: ${(body as { readonly detail: string }).detail}`,
        );
      },
      async atEnd() {
        for (const serving of running()) {
          const held = retrievers.get(addresses.retriever(serving.host));
          if (held === undefined) continue;
          const { clock } = serving.mesh.mesh.home;
          const endsMs = clock.monotonicMs() + AGREE_MS_MAX;
          let difference = await differenceOf(serving, held, asked);
          while (difference !== undefined && clock.monotonicMs() < endsMs) {
            await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
            difference = await differenceOf(serving, held, asked);
          }
          if (difference !== undefined) return context.fail(difference);
        }
      },
    };
  };
}

function put(retriever: Incarnation, { items, listing }: PutItems): void {
  if (listing?.begins) retriever.listed = new Set();
  for (const { id, attributes } of items) {
    retriever.listed?.add(id);
    if (attributes === undefined) retriever.items.delete(id);
    else retriever.items.set(id, messageCopy(attributes));
  }
  const { listed } = retriever;
  if (!listing?.ends || listed === undefined) return;
  delete retriever.listed;
  for (const id of retriever.items.keys()) if (!listed.has(id)) retriever.items.delete(id);
}

/** The part of an answer that does not hold, in words. */
function problemOf(
  { options, items }: Incarnation,
  request: Retrieve | RetrieveSimilar,
  { items: found, scores }: Retrieved,
): string | undefined {
  const { count, filter, scope } = request;
  const sources = request.kind === "retrieve" ? request.sources : ["model"] as const;
  const conditions = filter.map((text) => ({
    text,
    holds: compileCondition(parseCondition(text, options.attributeTypes)),
  }));
  const seen = new Set<string>();
  for (const { id } of found) {
    const attributes = items.get(id);
    if (attributes === undefined) return `found ${id}, which it does not hold`;
    if (seen.has(id)) return `found ${id} twice`;
    if (request.kind === "retrieveSimilar" && id === request.item) {
      return `found ${id} similar to itself`;
    }
    seen.add(id);
    const broken = conditions.find(({ holds }) => !holds({ ...scope, item: attributes }));
    if (broken !== undefined) {
      return `found ${id} with ${JSON.stringify(attributes)}, against ${broken.text}`;
    }
  }
  for (const source of sources) {
    const ofSource = found.filter((each) => each.sources.includes(source)).length;
    if (ofSource > count) return `found ${ofSource} items by ${source}, asked for ${count}`;
  }
  if (sources[0] !== "model") return undefined;
  const ordered = scores.filter((score) => !Number.isNaN(score));
  const risen = ordered.findIndex((score, i) => i > 0 && score > ordered[i - 1]);
  return risen < 0 ? undefined : `gave ${ordered[risen]} after ${ordered[risen - 1]}`;
}

/** A difference of the retriever from the stored items and the live rows, in words. */
async function differenceOf(
  { mesh: { mesh, stores, configuration }, host }: Serving,
  { items }: Pick<Incarnation, "items">,
  asked: Retrieve | undefined,
): Promise<string | undefined> {
  const stored = await storedItems(stores.profiles);
  const more = [...items.keys()].find((id) => !stored.has(id));
  if (more !== undefined) return `the retriever holds ${more}, which is not stored`;
  for (const [id, attributes] of stored) {
    const had = JSON.stringify(items.get(id));
    const has = JSON.stringify(attributes);
    if (had !== has) return `the retriever holds ${had} of ${id}, and ${has} is stored`;
  }
  const retriever = mesh.actorRef<RetrieverMessage>(addresses.retriever(host));
  const { embedded } = await retriever.ask({ kind: "getState" }, BUDGET);
  if (embedded !== stored.size) return `${embedded} of ${stored.size} items have vectors`;
  if (asked === undefined || stored.size === 0) return undefined;

  const features = () => messageCopy(asked.features);
  const { items: found, scores } = await retriever.ask({
    kind: "retrieve",
    features: features(),
    sources: ["model"],
    count: COUNT,
    filter: [],
    scope: asked.scope,
  }, BUDGET);
  if (found.length !== Math.min(COUNT, stored.size)) {
    return `a search found ${found.length} of ${stored.size} items`;
  }
  const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
  const { vectors: user, dim } = await scorer.ask(
    { kind: "embed", features: features(), of: "users" },
    BUDGET,
  );
  const { schema } = present(configuration.retriever, "a shop with a retriever configures it");
  const ofItems = new FeatureExtractor(schema, FeatureHasher.create()).extract({
    user: "",
    userAttributes: {},
    context: {},
    atMs: 0,
    items: found.map(({ id }) => ({
      id,
      fields: present(stored.get(id), "found items are stored"),
    })),
  });
  const { vectors } = await scorer.ask({ kind: "embed", features: ofItems, of: "items" }, BUDGET);
  for (let i = 0; i < found.length; i++) {
    const vector = vectors.subarray(i * (dim + 1), (i + 1) * (dim + 1));
    let exact = vector[dim];
    let [queryNorm, greatest] = [0, 0];
    for (let j = 0; j < dim; j++) {
      exact += user[j] * vector[j];
      queryNorm += Math.abs(user[j]);
      greatest = Math.max(greatest, Math.abs(vector[j]));
    }
    const slack = queryNorm * greatest * CODE_ERROR + 1e-5 * (1 + Math.abs(exact));
    if (Math.abs(scores[i] - exact) > slack) {
      return `${found[i].id} was found with ${scores[i]}, and its live rows give ${exact}`;
    }
  }
  const ids = found.map(({ id }) => id);
  return await similarityDifference(retriever, asked.scope, { ids, vectors, dim });
}

/** A cosine of the retriever that is not that of the items' vectors, in words. */
async function similarityDifference(
  retriever: ActorRef<RetrieverMessage>,
  scope: FilterScope,
  { ids, vectors, dim }: {
    readonly ids: readonly string[];
    /** `[items, dim + 1]`, with the bias at the end. */
    readonly vectors: Float32Array;
    readonly dim: number;
  },
): Promise<string | undefined> {
  const vectorOf = (index: number) => vectors.subarray(index * (dim + 1), index * (dim + 1) + dim);
  const product = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, j) => sum + x * b[j], 0);
  const lengths = ids.map((_, i) => Math.sqrt(product(vectorOf(i), vectorOf(i))));
  const from = lengths.findIndex((length) => length > 0);
  if (from < 0) return undefined;
  const { items: similar, scores } = await retriever.ask(
    { kind: "retrieveSimilar", item: ids[from], count: COUNT, filter: [], scope },
    BUDGET,
  );
  if (similar.length !== ids.length - 1) {
    return `${similar.length} of ${ids.length} items are similar to ${ids[from]}`;
  }
  for (const [i, { id }] of similar.entries()) {
    const to = ids.indexOf(id);
    if (lengths[to] === 0) continue;
    const exact = product(vectorOf(from), vectorOf(to)) / (lengths[from] * lengths[to]);
    if (Math.abs(scores[i] - exact) > Math.sqrt(dim) * CODE_ERROR) {
      return `${id} is similar to ${ids[from]} by ${scores[i]}, and its live rows give ${exact}`;
    }
  }
  return undefined;
}

async function storedItems(profiles: ProfileStore): Promise<Map<string, Attributes>> {
  const stored = new Map<string, Attributes>();
  let cursor: string | undefined;
  do {
    const page = await profiles.list("item", cursor, 500);
    for (const { id, attributes } of page.profiles) stored.set(id, attributes);
    cursor = page.next;
  } while (cursor !== undefined);
  return stored;
}

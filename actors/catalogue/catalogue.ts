/**
 * The catalogue's behaviour: reads all stored items in pages, sends them to the retriever, and then
 * the items that change. A retriever that has restarted gets all items again. The pages are marked
 * as a listing, so that the retriever deletes items that were deleted while no catalogue ran.
 *
 * A change is sent as the present state of the item, read when it is sent. So an item may be sent
 * twice, and the last message has its last state.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { RetrieverMessage, RetrieverState } from "../retriever/protocol.ts";
import type { CatalogueOptions } from "./options.ts";
import type { CatalogueItem, CatalogueMessage } from "./protocol.ts";

/** Items of one message. */
const PAGE_ITEMS = 500;
/** Pause between messages that carry changes, ms: changes meanwhile share the next one. */
const CHANGES_MS = 20;
/** Interval at which an idle catalogue asks whether the retriever has restarted, ms. */
const CHECK_MS = 500;
const BUDGET_MS = 5_000;

/** The way through the pages. */
type Progress =
  | { readonly kind: "pages"; readonly cursor: string | undefined }
  | { readonly kind: "done" };

export class Catalogue implements Behavior<CatalogueMessage> {
  readonly #context: ActorContext<CatalogueMessage>;
  readonly #profiles: ProfileStore;
  readonly #retriever: ActorRef<RetrieverMessage>;
  readonly #unsubscribe: () => void;
  /** Ids of items that changed since they were sent. */
  readonly #changed = new Set<string>();
  /** The incarnation of the retriever that has the items. */
  #incarnation: string | undefined;
  #progress: Progress = { kind: "pages", cursor: undefined };
  #timer: { readonly atMs: number; cancel(): void } | undefined;

  constructor(
    context: ActorContext<CatalogueMessage>,
    { retriever }: CatalogueOptions,
    profiles: ProfileStore,
  ) {
    this.#context = context;
    this.#profiles = profiles;
    this.#retriever = context.actorRef<RetrieverMessage>(retriever);
    this.#unsubscribe = profiles.onChanged("item", (id) => {
      if (id === undefined) this.#progress = { kind: "pages", cursor: undefined };
      else this.#changed.add(id);
      this.#carryIn(CHANGES_MS);
    });
    this.#carryIn(0);
  }

  async receive({ kind }: CatalogueMessage): Promise<void> {
    kind satisfies "carryItems";
    this.#timer = undefined;
    try {
      const state = await this.#send();
      if (this.#incarnation !== state.incarnation) {
        if (this.#incarnation !== undefined) this.#progress = { kind: "pages", cursor: undefined };
        this.#incarnation = state.incarnation;
      }
    } catch (cause) {
      this.#context.telemetry.log("warn", "the retriever did not take the items", { cause });
      return this.#carryIn(CHECK_MS);
    }
    const isIdle = this.#changed.size === 0 && this.#progress.kind === "done";
    this.#carryIn(isIdle ? CHECK_MS : this.#progress.kind === "done" ? CHANGES_MS : 0);
  }

  stop(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  /** Sends the next items: changes first, then a page; without either asks for the state. */
  async #send(): Promise<RetrieverState> {
    const budget = { budgetMs: BUDGET_MS };
    if (this.#changed.size > 0) {
      const ids = [...this.#changed].slice(0, PAGE_ITEMS);
      for (const id of ids) this.#changed.delete(id);
      await this.#profiles.load("item", ids);
      const profiles = this.#profiles.getMany("item", ids);
      const items = ids.map((id, i): CatalogueItem => {
        return { id, attributes: profiles[i]?.attributes };
      });
      try {
        return await this.#retriever.ask({ kind: "putItems", items }, budget);
      } catch (error) {
        for (const id of ids) this.#changed.add(id);
        throw error;
      }
    }
    if (this.#progress.kind === "done") {
      return await this.#retriever.ask({ kind: "getState" }, budget);
    }
    const before = this.#progress;
    const { profiles, next } = await this.#profiles.list("item", before.cursor, PAGE_ITEMS);
    const items = profiles.map(({ id, attributes }) => ({ id, attributes }));
    const listing = { begins: before.cursor === undefined, ends: next === undefined };
    const state = await this.#retriever.ask({ kind: "putItems", items, listing }, budget);
    // Meanwhile all items may have changed, so that the pages begin again.
    if (this.#progress === before) {
      this.#progress = next === undefined ? { kind: "done" } : { kind: "pages", cursor: next };
    }
    return state;
  }

  /** Schedules the next message, unless one is due before. */
  #carryIn(delayMs: number): void {
    const atMs = this.#context.clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const timer = this.#context.schedule(delayMs, { kind: "carryItems" });
    this.#timer = { atMs, cancel: () => timer.cancel() };
  }
}

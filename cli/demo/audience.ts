/**
 * A simulated audience for the demo: shoppers in segments whose tastes drift while the demo runs,
 * products with categories, tags and prices, and clicks drawn from each shopper's appeal function.
 *
 * The recommender sees only ids, attributes and clicks. Everything is drawn from seeded streams, so
 * two runs have the same audience.
 */
import type { Random, RandomStream } from "../../mesh/ports/random.ts";

/** A product with the attributes that the shop stores. */
export interface Product {
  readonly id: string;
  readonly category: string;
  readonly tags: readonly string[];
  readonly price: number;
}

/** A shopper with the attributes that the shop stores. */
export interface Shopper {
  readonly id: string;
  readonly segment: string;
}

/** Sizes of the audience, and how often its tastes change. */
export interface AudienceOptions {
  readonly shoppers: number;
  readonly products: number;
  /** Products that one page chooses from. */
  readonly candidates: number;
  /** Products that one page shows. */
  readonly shown: number;
  /** A segment exchanges one of its favourite categories about once in this time, seconds. */
  readonly driftSeconds: number;
}

/** The demo's audience. */
export const demoAudience: AudienceOptions = {
  shoppers: 500,
  products: 400,
  candidates: 20,
  shown: 5,
  driftSeconds: 24,
};

const categories = [
  "bikes",
  "books",
  "cameras",
  "coffee",
  "games",
  "garden",
  "kitchen",
  "music",
  "running",
  "tents",
  "tools",
  "toys",
] as const;
const segments = ["campers", "cooks", "families", "gamers", "makers", "runners"] as const;
const tags = ["new", "sale", "classic", "handmade", "vegan", "light", "robust", "gift"] as const;
const devices = ["phone", "desktop", "tablet"] as const;
const SEGMENT_FAVOURITES = 3;

/** One page view: the shopper, the device and the candidates. */
export interface PageView {
  /** Position in {@link Audience.shoppers}. */
  readonly shopper: number;
  readonly device: string;
  /** Positions in {@link Audience.products}. */
  readonly candidates: readonly number[];
}

/** Shoppers, products, and the shoppers' clicks. */
export class Audience {
  readonly shoppers: readonly Shopper[];
  readonly products: readonly Product[];
  readonly #segmentOf: Uint8Array;
  readonly #categoryOf: Uint8Array;
  /** Each shopper's own favourite category, which stays. */
  readonly #ownFavourite: Uint8Array;
  /** A product's appeal to all shoppers, in logits. */
  readonly #quality: Float64Array;
  /** Categories that a segment loves now, {@link SEGMENT_FAVOURITES} per segment. */
  readonly #favourites: Uint8Array;
  readonly #nextDriftSeconds: Float64Array;
  readonly #visits: RandomStream;
  readonly #clicks: RandomStream;
  readonly #drift: RandomStream;
  /** Favourites that were exchanged since the beginning. */
  drifts = 0;

  constructor(readonly options: AudienceOptions, random: Random) {
    const world = random.stream("demo/world");
    this.#visits = random.stream("demo/visits");
    this.#clicks = random.stream("demo/clicks");
    this.#drift = random.stream("demo/drift");

    this.#categoryOf = new Uint8Array(options.products);
    this.#quality = new Float64Array(options.products);
    this.products = Array.from({ length: options.products }, (_, at): Product => {
      this.#categoryOf[at] = pick(world, categories.length);
      const sale = pick(world, tags.length);
      // About bell-shaped around 0, and a product on sale does a little better.
      this.#quality[at] = 1.2 * (world.nextFloat() + world.nextFloat() - 1) +
        (tags[sale] === "sale" ? 0.5 : 0);
      return {
        id: `product-${at}`,
        category: categories[this.#categoryOf[at]],
        tags: [tags[sale], tags[(sale + 1 + pick(world, tags.length - 1)) % tags.length]],
        price: Math.round(500 * Math.exp(4 * world.nextFloat())) / 100,
      };
    });

    this.#segmentOf = new Uint8Array(options.shoppers);
    this.#ownFavourite = new Uint8Array(options.shoppers);
    this.shoppers = Array.from({ length: options.shoppers }, (_, at): Shopper => {
      this.#segmentOf[at] = pick(world, segments.length);
      this.#ownFavourite[at] = pick(world, categories.length);
      return { id: `shopper-${at}`, segment: segments[this.#segmentOf[at]] };
    });

    this.#favourites = new Uint8Array(segments.length * SEGMENT_FAVOURITES);
    for (let at = 0; at < this.#favourites.length; at++) {
      this.#favourites[at] = pick(world, categories.length);
    }
    this.#nextDriftSeconds = Float64Array.from(
      segments,
      () => options.driftSeconds * (0.25 + world.nextFloat()),
    );
  }

  /** Draws the next page view. */
  nextPageView(): PageView {
    const chosen = new Set<number>();
    while (chosen.size < this.options.candidates) {
      chosen.add(pick(this.#visits, this.products.length));
    }
    return {
      shopper: pick(this.#visits, this.shoppers.length),
      device: devices[pick(this.#visits, devices.length)],
      candidates: [...chosen],
    };
  }

  /** Lets time pass: a segment whose time has come exchanges one favourite category for another. */
  advance(seconds: number): void {
    for (let segment = 0; segment < segments.length; segment++) {
      while (this.#nextDriftSeconds[segment] <= seconds) {
        const at = segment * SEGMENT_FAVOURITES + pick(this.#drift, SEGMENT_FAVOURITES);
        this.#favourites[at] =
          (this.#favourites[at] + 1 + pick(this.#drift, categories.length - 1)) %
          categories.length;
        this.#nextDriftSeconds[segment] += this.options.driftSeconds *
          (0.5 + this.#drift.nextFloat());
        this.drifts++;
      }
    }
  }

  /** The chance that the shopper clicks the product when it is seen, in (0, 1). */
  appeal(shopper: number, product: number): number {
    const category = this.#categoryOf[product];
    const first = this.#segmentOf[shopper] * SEGMENT_FAVOURITES;
    let loved = 0;
    for (let at = first; at < first + SEGMENT_FAVOURITES; at++) {
      if (this.#favourites[at] === category) loved = 2.4;
    }
    const own = this.#ownFavourite[shopper] === category ? 1.4 : 0;
    return 1 / (1 + Math.exp(3.3 - loved - own - this.#quality[product]));
  }

  /**
   * Whether each shown product is clicked, top to bottom; lower positions are seen a little less.
   */
  click(shopper: number, shown: readonly number[]): boolean[] {
    return shown.map((product, position) =>
      this.#clicks.nextFloat() < this.appeal(shopper, product) / (1 + 0.06 * position)
    );
  }

  /** The order by true appeal, best first. */
  idealOrder(view: PageView): number[] {
    return view.candidates.toSorted((a, b) =>
      this.appeal(view.shopper, b) - this.appeal(view.shopper, a)
    );
  }
}

function pick(stream: RandomStream, below: number): number {
  return Math.floor(stream.nextFloat() * below);
}

/**
 * One incarnation of a host's process in a simulated mesh: its threads over revocable clocks, its
 * sockets and its connections with the Redis server, and the production composition of a host on
 * top.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { HostLinks, OpenedChannel } from "../../mesh/adapters/tcp/host_links.ts";
import { ChannelLink } from "../../mesh/adapters/tcp/channel_link.ts";
import { LogTailLostError } from "../../mesh/ports/event_log.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { type ComposedHost, composeHost } from "../../server/compose_host.ts";
import { computingDefinitions } from "../../server/computing_definitions.ts";
import type { HostEnvironment, MeshStores } from "../../server/environment.ts";
import { hostOf } from "../../server/host_of.ts";
import { openHostLinks } from "../../server/machine/open_host_links.ts";
import { placementEnvironment } from "../../server/machine/placement_environment.ts";
import { homeNodeOf } from "../../server/layout.ts";
import { countedSessions } from "../world/counted_sessions.ts";
import { laterPartition } from "../../records/ranking_partition.ts";
import { present } from "../../structures/invariant.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { PendingAsk } from "../world/observed.ts";
import type { OpenRequest } from "../world/open_request.ts";
import {
  type MailboxState,
  ProcessNodes,
  type ProcessNodesOptions,
} from "../world/process_nodes.ts";
import type { Exchange } from "../world/world.ts";
import { HeldLink } from "./held_link.ts";
import { mountedBlobs } from "./mounted_blobs.ts";
import { RedisLink } from "./redis_link.ts";
import type { SharedBlobs } from "./shared_blobs.ts";
import { SimulatedEventLog } from "./simulated_event_log.ts";
import type { NetworkUser, SimulatedNetwork } from "./simulated_network.ts";
import { SimulatedRankings } from "./simulated_rankings.ts";
import { SimulatedRecordStore } from "./simulated_record_store.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** The surroundings of a host's process. */
export interface SimulatedHostOptions extends ProcessNodesOptions {
  readonly host: string;
  readonly configuration: CairnConfiguration;
  readonly network: SimulatedNetwork;
  readonly redis: SimulatedRedis;
  readonly blobs: SharedBlobs;
  readonly profiles: ProfileStore;
  readonly syncMs: number;
  /** Further latency of Redis at this moment, ms. */
  readonly redisExtraMs: () => number;
  /** The blobs at the mount point of the host's volume; undefined while that is mounted. */
  readonly folder: () => BlobStore | undefined;
  /** Whether the host cannot reach Redis at this moment. */
  readonly isCutFromRedis: () => boolean;
  /** Whether the answers of Redis to the host are lost at this moment. */
  readonly losesAnswers: () => boolean;
  /** The host was removed from the mesh: its process stops. */
  readonly onGone: (error: Error) => void;
}

export class SimulatedHost {
  readonly #options: SimulatedHostOptions;
  readonly #nodes: ProcessNodes;
  readonly #user: NetworkUser;
  readonly #death = Promise.withResolvers<void>();
  #redisLinks = 0;
  readonly #logs: SimulatedEventLog[] = [];
  #links: HostLinks | undefined;
  #composed: ComposedHost | undefined;
  #isDead = false;
  #isStopping = false;

  constructor(options: SimulatedHostOptions) {
    this.#options = options;
    this.#nodes = new ProcessNodes(options);
    const { host, incarnation } = options;
    this.#nodes.add(homeNodeOf(host));
    this.#user = { host, incarnation, clock: this.#nodes.clockOf(homeNodeOf(host)) };
  }

  /** Undefined until the host has started. */
  get composed(): ComposedHost | undefined {
    return this.#composed;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether it refuses requests, because it stops. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Whether it writes nothing, since Redis has lost records that it knows of. */
  get refusesWrites(): boolean {
    return this.#logs.some((log) => log.refusal() instanceof LogTailLostError);
  }

  /** Resolves when the process dies. */
  get died(): Promise<void> {
    return this.#death.promise;
  }

  /** Composes the host. */
  async start(): Promise<void> {
    this.#composed = await composeHost(this.#options.configuration, await this.#environment());
  }

  /** Stops in order, as on SIGTERM. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#composed?.stop();
  }

  /**
   * Dies at once.
   *
   * @param isSilent The machine has died too: its peers are told nothing.
   */
  kill(isSilent: boolean): void {
    this.#isDead = true;
    this.#nodes.revoke();
    this.#options.network.died(this.#user, isSilent);
    this.#death.resolve();
  }

  /** A thread stands still. */
  stall(node: string, forMs: number): void {
    this.#nodes.stall(node, forMs);
  }

  /** The whole process stands still, as under SIGSTOP. */
  pause(forMs: number): void {
    this.#nodes.stallAll(forMs);
  }

  /** Ends all stalls. */
  wake(): void {
    this.#nodes.wake();
  }

  /** The mailboxes of all actors, or of those that are smaller than in production. */
  mailboxes(isNarrow?: boolean): Iterable<MailboxState> {
    return this.#nodes.mailboxes(isNarrow);
  }

  overdueAsks(lateMs: number): PendingAsk[] {
    return this.#nodes.overdueAsks(lateMs);
  }

  /** Answers a request once the host has started; undefined where it does not listen. */
  async fetch(request: OpenRequest): Promise<Exchange | undefined> {
    if (this.#isStopping) return { status: 503, body: { detail: "The server is stopping." } };
    const { clock } = this.#user;
    // A thread that stands still reads its sockets afterwards.
    await new Promise<void>((resolve) => void clock.schedule(0, resolve));
    const serve = this.#composed?.fetch;
    if (serve === undefined) return undefined;
    const response = await request.answer(clock, serve);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  async #environment(): Promise<HostEnvironment> {
    const { host, configuration, onGone } = this.#options;
    const home = this.#nodes.nodeOf(homeNodeOf(host));
    const options = hostOf(configuration, host);
    const stores = await this.#openStores(homeNodeOf(host));
    const mesh = present(configuration.mesh, "a host belongs to a mesh");
    return {
      host,
      home,
      stores,
      dense: countedSessions(configuration, this.#options.telemetry),
      metrics: { snapshot: () => Promise.resolve(undefined), render: () => Promise.resolve("") },
      observe: (definition) => this.#nodes.observed(definition, home.name),
      startNodes: async (request) => {
        await this.#nodes.start(request, (node) => this.#definitionsIn(node));
        this.#links = openHostLinks({
          configuration,
          host: options,
          home,
          network: this.#options.network.for(this.#user),
          onWorkerChannel: (opened) => this.#linkWorker(opened, mesh.frameBytesMax),
          ...request,
        });
      },
      placement: placementEnvironment(configuration, options, {
        random: home.random,
        open: () => {
          const store = new SimulatedRecordStore(this.#redisLink(home.name));
          const coordination = new Coordinator({
            store,
            random: home.random,
            hostTtlMs: mesh.leaseMs,
            controlTtlMs: mesh.leaseMs,
          });
          return Promise.resolve({ coordination, close: () => store.close() });
        },
        onBegan: (began) => this.#links?.hostBegan(began),
        onGone,
      }),
      links: () => this.#links?.peers ?? [],
      close: async () => {
        await this.#links?.close();
        await Promise.all([stores.eventLog.close(), stores.exampleLog.close()]);
        stores.sharedRankings?.close();
      },
    };
  }

  async #openStores(node: string): Promise<MeshStores> {
    const { profiles, configuration } = this.#options;
    const link = this.#redisLink(node);
    const eventLog = await this.#openLog(link, "events", configuration.partitions.events);
    const { exampleLog, blobs } = await this.#openSharedStores(node);
    const sharedRankings = new SimulatedRankings(link, eventLog, configuration.mesh?.leaseMs);
    return { eventLog, exampleLog, blobs, profiles, sharedRankings };
  }

  async #openSharedStores(node: string): Promise<Pick<MeshStores, "exampleLog" | "blobs">> {
    const { blobs, configuration, seed, incarnation, syncMs } = this.#options;
    const link = this.#redisLink(node);
    const exampleLog = await this.#openLog(link, "examples", configuration.partitions.examples);
    const latency = new KeyedHash(seed, `blobs/${node}/${incarnation}`);
    const volume = blobs.for(this.#nodes.clockOf(node), latency, syncMs);
    return { exampleLog, blobs: mountedBlobs(volume, this.#options.folder) };
  }

  async #openLog(link: RedisLink, name: string, partitions: number): Promise<SimulatedEventLog> {
    const { host, incarnation, configuration } = this.#options;
    const log = await SimulatedEventLog.open({
      link,
      name,
      partitions,
      bytesMax: configuration.storage.logBytesMax,
      writer: `${host}/${incarnation}/${this.#redisLinks}`,
      ...(name === "events" && { partitionOf: laterPartition }),
    });
    this.#logs.push(log);
    return log;
  }

  async #definitionsIn(node: string) {
    const resources = await this.#openSharedStores(node);
    const dense = countedSessions(this.#options.configuration, this.#options.telemetry);
    return computingDefinitions({ ...resources, dense });
  }

  #redisLink(node: string): RedisLink {
    const { seed, incarnation, clock, redis, configuration, ...options } = this.#options;
    const { storage } = configuration;
    return new RedisLink({
      server: redis,
      base: clock,
      clock: this.#nodes.clockOf(node),
      latency: new KeyedHash(seed, `redis/${node}/${incarnation}/${this.#redisLinks++}`),
      latencyMs: options.linkMs,
      syncMs: options.syncMs,
      extraMs: options.redisExtraMs,
      isCut: options.isCutFromRedis,
      losesAnswers: options.losesAnswers,
      deadlineMs: storage.kind === "directory" ? storage.redis?.deadline ?? 1_000 : 1_000,
    });
  }

  #linkWorker({ node, peer, purpose, channel }: OpenedChannel, frameBytesMax: number): void {
    const link = new HeldLink(
      new ChannelLink(channel, frameBytesMax),
      this.#nodes.clockOf(node),
    );
    new NodeLink(this.#nodes.nodeOf(node), peer, link, { isBulk: purpose === "bulk" });
  }
}

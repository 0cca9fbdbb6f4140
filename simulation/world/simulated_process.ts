/**
 * One incarnation of the server process: its threads as nodes over revocable clocks, linked with
 * each other, and the production composition on top. Killing it revokes every port at once, so
 * nothing of it can act any more.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { makeDirectory } from "../../mesh/adapters/embedded/durable_directory.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import { removeTemporaries } from "../../mesh/adapters/embedded/small_file.ts";
import type { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Mesh } from "../../mesh/runtime/mesh.ts";
import type { AnyDefinition } from "../../mesh/runtime/node_actor.ts";
import type { RunningMesh } from "../../server/compose.ts";
import type { Environment, MeshStores } from "../../server/environment.ts";
import { openStores } from "../../server/open_stores.ts";
import { homeNode } from "../../server/layout.ts";
import { countedSessions } from "./counted_sessions.ts";
import { DATA_DIRECTORY, type MachineDisk } from "../disk/machine_disk.ts";
import { SimulatedFiles } from "../disk/simulated_files.ts";
import { SimulatedLogEnds, SimulatedLogMemory } from "../disk/simulated_log_ends.ts";
import { KeyedHash } from "../keyed_hash.ts";
import type { Composed, Program } from "./program.ts";
import type { PendingAsk } from "./observed.ts";
import type { OpenRequest } from "./open_request.ts";
import { type MailboxState, ProcessNodes, type ProcessNodesOptions } from "./process_nodes.ts";
import type { Exchange } from "./world.ts";

/** Time that requests in progress have at a stop, beyond the deadline of a ranking, ms. */
const DRAIN_GRACE_MS = 1_000;
/** The answer of a server that stops. */
const refused: Exchange = { status: 503, body: { detail: "The server is stopping." } };

/** The surroundings of a process. */
export interface SimulatedProcessOptions extends ProcessNodesOptions {
  readonly program: Program;
  readonly configuration: CairnConfiguration;
  readonly disk: MachineDisk;
  readonly profiles: MemoryProfileStore;
  readonly syncMs: number;
  readonly syncExtraMs: () => number;
  /** A segment of a log that would grow past this is followed by a new one, bytes. */
  readonly segmentBytesMax: number;
}

/** A simulated server process. */
export class SimulatedProcess {
  readonly #options: SimulatedProcessOptions;
  readonly #nodes: ProcessNodes;
  readonly #exampleEnds: SimulatedLogMemory;
  readonly #logs: EventLog[] = [];
  readonly #death = Promise.withResolvers<void>();
  readonly #requests = new Set<Promise<unknown>>();
  /** Answers the requests that are in progress when the time for them is over. */
  readonly #stopped = Promise.withResolvers<Exchange>();
  #stopping = false;
  #composed: Composed | undefined;
  #dead = false;

  constructor(options: SimulatedProcessOptions) {
    this.#options = options;
    this.#nodes = new ProcessNodes(options);
    this.#exampleEnds = new SimulatedLogMemory(options.configuration.partitions.examples);
  }

  /** Undefined until the process has started. */
  get running(): RunningMesh | undefined {
    return this.#composed?.running;
  }

  /** The mesh; undefined until the process has started. */
  get mesh(): Mesh | undefined {
    return this.#composed?.mesh;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Resolves when the process dies. */
  get died(): Promise<void> {
    return this.#death.promise;
  }

  /** Composes the mesh. */
  async start(): Promise<void> {
    const { program, configuration } = this.#options;
    this.#composed = await program.compose(await this.#environment(), configuration);
  }

  /**
   * Stops in order, as on SIGTERM: new requests are refused, the ones in progress may end, then the
   * mesh stops.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { configuration } = this.#options;
    if (this.#requests.size > 0) {
      await Promise.race([
        Promise.allSettled(this.#requests),
        new Promise<void>((resolve) => {
          const drainMs = configuration.gateway.deadlineMs + DRAIN_GRACE_MS;
          this.#nodes.clockOf(homeNode).schedule(drainMs, resolve);
        }),
      ]);
    }
    this.#stopped.resolve(refused);
    await this.#composed?.stop();
  }

  /** Dies at once: no timer fires, no message arrives, no write begins any more. */
  kill(): void {
    this.#dead = true;
    this.#nodes.revoke();
    this.#death.resolve();
  }

  /** The thread stands still; a name that this process does not have stands for none. */
  stall(node: string, forMs: number): void {
    this.#nodes.stall(node, forMs);
  }

  /** Ends all stalls. */
  wake(): void {
    this.#nodes.wake();
  }

  /** Answers a request once the process has started. */
  async fetch(request: OpenRequest): Promise<Exchange | undefined> {
    if (this.#stopping) return refused;
    const answer = this.#answer(request);
    this.#requests.add(answer);
    try {
      return await Promise.race([answer, this.#stopped.promise]);
    } finally {
      this.#requests.delete(answer);
    }
  }

  async #answer(request: OpenRequest): Promise<Exchange | undefined> {
    const clock = this.#nodes.clockOf(homeNode);
    // A thread that stands still reads its sockets afterwards.
    await new Promise<void>((resolve) => void clock.schedule(0, resolve));
    const serve = this.#composed?.fetch;
    if (serve === undefined) return undefined;
    const response = await request.answer(clock, serve);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  async #environment(): Promise<Environment> {
    const { configuration } = this.#options;
    const home = this.#nodes.add(homeNode);
    const dense = countedSessions(configuration, this.#options.telemetry);
    return {
      home,
      stores: await openStores(() => this.#openStores(), home),
      dense,
      metrics: { snapshot: () => Promise.resolve(undefined), render: () => Promise.resolve("") },
      observe: (definition) => this.#nodes.observed(definition, homeNode),
      startNodes: (request) => this.#nodes.start(request, (node) => this.#definitionsIn(node)),
      close: async () => {
        for (const log of this.#logs) await log.close();
      },
    };
  }

  /** The mailboxes of all actors, or of those that are smaller than in production. */
  mailboxes(isNarrow?: boolean): Iterable<MailboxState> {
    return this.#nodes.mailboxes(isNarrow);
  }

  /** Asks of actors that live and that should have ended so long ago. */
  overdueAsks(lateMs: number): PendingAsk[] {
    return this.#nodes.overdueAsks(lateMs);
  }

  /** The stores of the home node, opened as in production. */
  async #openStores(): Promise<MeshStores> {
    const { configuration, profiles, segmentBytesMax } = this.#options;
    const files = this.#files(homeNode);
    makeDirectory(DATA_DIRECTORY, files);
    removeTemporaries(DATA_DIRECTORY, files);
    const common = {
      mode: "write",
      bytesMax: configuration.storage.logBytesMax,
      segmentBytesMax,
      files,
      clock: this.#nodes.clockOf(homeNode),
    } as const;
    // When the second log cannot be opened, the first one is closed again.
    await using opened = new AsyncDisposableStack();
    const eventLog = opened.adopt(
      await EmbeddedEventLog.open({
        ...common,
        directory: `${DATA_DIRECTORY}/events`,
        partitions: configuration.partitions.events,
      }),
      (log) => log.close(),
    );
    const exampleLog = await EmbeddedEventLog.open({
      ...common,
      directory: `${DATA_DIRECTORY}/examples`,
      partitions: configuration.partitions.examples,
      ends: new SimulatedLogEnds(this.#exampleEnds, common.clock),
    });
    opened.move();
    this.#logs.push(eventLog, exampleLog);
    const blobs = new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, files);
    return { eventLog, exampleLog, blobs, profiles };
  }

  /** The stores that another thread reads. */
  async #openSharedStores(
    node: string,
  ): Promise<{ readonly exampleLog: EventLog; readonly blobs: BlobStore }> {
    const files = this.#files(node);
    const clock = this.#nodes.clockOf(node);
    const exampleLog = await EmbeddedEventLog.open({
      mode: "read",
      directory: `${DATA_DIRECTORY}/examples`,
      partitions: this.#options.configuration.partitions.examples,
      ends: new SimulatedLogEnds(this.#exampleEnds, clock),
      files,
      clock,
    });
    this.#logs.push(exampleLog);
    return { exampleLog, blobs: new DirectoryBlobStore(`${DATA_DIRECTORY}/blobs`, files) };
  }

  #files(node: string): SimulatedFiles {
    const { seed, incarnation, syncMs, syncExtraMs, disk } = this.#options;
    return new SimulatedFiles({
      disk,
      clock: this.#nodes.clockOf(node),
      user: `${node}-${incarnation}`,
      draws: new KeyedHash(seed, `disk/${node}/${incarnation}`),
      syncMs,
      extraMs: syncExtraMs,
    });
  }

  async #definitionsIn(node: string): Promise<readonly AnyDefinition[]> {
    const { exampleLog, blobs } = await this.#openSharedStores(node);
    const dense = countedSessions(this.#options.configuration, this.#options.telemetry);
    return this.#options.program.definitions({ exampleLog, blobs, dense });
  }
}

/**
 * A joiner in virtual time, over logs in memory.
 */
import { defineJoiner } from "../../../actors/joiner/definition.ts";
import type { JoinerMessage } from "../../../actors/joiner/protocol.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import { encodeEvent, type EventRecord } from "../../../records/event_record.ts";
import { decodeExamples, type ExampleChunk } from "../../../records/example_chunk.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { altered } from "../altered.ts";
import { joinerOptions, readExamples } from "./records.ts";

export class JoinerWorld {
  readonly mesh = new SimulatedMesh({ seed: 1 });
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  options: JoinerOptions;
  /** While set, appends to this partition of the example log fail, and the joiner crashes. */
  failingPartition: number | undefined;
  /** Whether a trainer takes each chunk when it is appended. */
  trainerTakes = true;
  /** Runs before an append of a joiner reaches the log, with the joiner's tenure. */
  beforeAppend: ((tenure: number | undefined) => Promise<void>) | undefined;

  constructor(
    options: JoinerOptions = joinerOptions(),
    exampleBytesMax = Infinity,
    eventBytesMax = Infinity,
    partitions = 1,
  ) {
    this.options = options;
    this.eventLog = new MemoryEventLog({ partitions: 1, bytesMax: eventBytesMax });
    this.exampleLog = new MemoryEventLog({ partitions, bytesMax: exampleBytesMax });
  }

  /** @param node The node of the joiner, where two of them run. */
  start(node = this.mesh.node(), options = this.options) {
    const exampleLog = altered<EventLog>(this.exampleLog, {
      append: async (partition, ...rest) => {
        if (partition === this.failingPartition) {
          throw new Error("appends to this partition fail");
        }
        await this.beforeAppend?.(options.tenure);
        const appended = await this.exampleLog.append(partition, ...rest);
        if (this.trainerTakes) await this.take(node, partition);
        return appended;
      },
    });
    const definition = defineJoiner({ eventLog: this.eventLog, exampleLog });
    return this.mesh.settle(node.spawn(definition, 0, options));
  }

  /** Tells the joiner that all chunks of a partition are taken. */
  async take(node = this.mesh.node(), partition = 0): Promise<void> {
    const offset = await this.exampleLog.endOffset(partition);
    node.actorRef<JoinerMessage>("joiner/0").tell({ kind: "chunksTaken", partition, offset });
  }

  async stopJoiner(): Promise<void> {
    await this.mesh.settle(this.mesh.node().stopActor("joiner/0", 0));
  }

  async restart(): Promise<void> {
    await this.stopJoiner();
    await this.start();
  }

  async post(...records: EventRecord[]): Promise<void> {
    await this.eventLog.append(0, records.map(encodeEvent));
    await this.mesh.advance(1);
  }

  async chunks(partition = 0): Promise<ExampleChunk[]> {
    const records = await this.exampleLog.read(partition, 0, 1e6);
    return records.map(({ bytes }) => decodeExamples(bytes));
  }

  async examples(partition = 0) {
    return (await this.chunks(partition)).flatMap(readExamples);
  }

  async names(partition = 0): Promise<string[]> {
    return (await this.examples(partition)).map(({ name, label }) => `${name}=${label}`);
  }
}

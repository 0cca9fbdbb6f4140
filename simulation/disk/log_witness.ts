/**
 * Reads the logs on a simulated disk itself, from the bytes that a power failure would leave, and
 * reports the records that became durable. It does not believe the code under test: a record that
 * was answered "durable" and is not on the disk is seen as missing.
 */
import {
  decodeHeader,
  decodeRecords,
  isIntact,
} from "../../mesh/adapters/embedded/segment_block.ts";
import { BLOCK_HEADER_BYTES } from "../../mesh/adapters/embedded/segment_block.ts";
import type { FileContent } from "./file_content.ts";

/** Observes a log over all incarnations of the process. */
export interface LogObserver {
  /** Records are durable up to here. */
  durable?(
    log: string,
    partition: number,
    records: readonly Uint8Array[],
    firstOffset: number,
  ): void;
  /** Records before `offset` are gone. */
  trimmed?(log: string, partition: number, offset: number): void;
}

/** A partition, as its durable bytes tell it. */
export interface WitnessedPartition {
  /** Offset behind the newest durable record. */
  durable: number;
  /** Durable bytes of the newest record. */
  last: Uint8Array | undefined;
  /** Records before it are gone. */
  floor: number;
}

interface ReadSegment {
  position: number;
  endOffset: number;
}

const SEGMENT = /^\/[^/]+\/(events|examples)\/(\d+)\/(\d+)\.segment$/;
/** The small file in which a log keeps its trim floors. */
const FLOORS = /^\/[^/]+\/(events|examples)\/offsets\/\(trimmed\)\.json$/;

/** Watches the segments of both logs. */
export class LogWitness {
  readonly #observer: LogObserver;
  readonly #partitions = new Map<string, WitnessedPartition>();
  readonly #segments = new Map<number, ReadSegment>();

  constructor(observer: LogObserver) {
    this.#observer = observer;
  }

  /** The state of a partition. */
  partition(log: string, partition: number): WitnessedPartition {
    const key = `${log}/${partition}`;
    let known = this.#partitions.get(key);
    if (known === undefined) {
      this.#partitions.set(key, known = { durable: 0, last: undefined, floor: 0 });
    }
    return known;
  }

  /** A file was synced. */
  synced(path: string, content: FileContent): void {
    const found = SEGMENT.exec(path);
    if (found === null) return;
    const [, log, partition, firstOffset] = found;
    let segment = this.#segments.get(content.number);
    if (segment === undefined) {
      segment = { position: 0, endOffset: Number(firstOffset) };
      this.#segments.set(content.number, segment);
    }
    this.#read(log, Number(partition), segment, content.durable);
  }

  /** A small file was replaced. */
  renamed(path: string, content: FileContent): void {
    const found = FLOORS.exec(path);
    if (found === null) return;
    const [text] = new TextDecoder().decode(content.cached).split("\n");
    for (const [partition, floor] of Object.entries(JSON.parse(text) as Record<string, number>)) {
      const known = this.partition(found[1], Number(partition));
      if (floor <= known.floor) continue;
      known.floor = floor;
      this.#observer.trimmed?.(found[1], Number(partition), floor);
    }
  }

  #read(log: string, partition: number, segment: ReadSegment, durable: Uint8Array): void {
    const known = this.partition(log, partition);
    for (;;) {
      const { position } = segment;
      if (position + BLOCK_HEADER_BYTES > durable.byteLength) return;
      const { payloadBytes, records, firstOffset } = decodeHeader(durable.subarray(position));
      const end = position + BLOCK_HEADER_BYTES + payloadBytes;
      if (firstOffset !== segment.endOffset || end > durable.byteLength) return;
      const block = durable.slice(position, end);
      if (!isIntact(block)) return;
      segment.position = end;
      segment.endOffset += records;
      const read = decodeRecords(block, firstOffset, records).map(({ bytes }) => bytes);
      known.durable = segment.endOffset;
      known.last = read.at(-1);
      this.#observer.durable?.(log, partition, read, firstOffset);
    }
  }
}

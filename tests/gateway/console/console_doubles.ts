/**
 * Sources of a console on doubles: one process without spans, other gateways or snapshots, unless a
 * test says otherwise.
 */
import type { ConsoleSources } from "../../../gateway/console/sources.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";

export function consoleDoubles(sources: Partial<ConsoleSources> = {}): ConsoleSources {
  return {
    host: "",
    hosts: [{ host: "", roles: ["serving", "shards"], address: undefined }],
    metrics: () => Promise.resolve([{ host: "", families: [] }]),
    links: () => [],
    spans: () => Promise.resolve([]),
    otherActivities: () => Promise.resolve([]),
    blobs: new MemoryBlobStore(),
    eventLog: new MemoryEventLog({ name: "events", partitions: 2 }),
    columns: { slots: 1, denseWidth: 0, schemaFingerprint: 5 },
    validation: { tasks: ["clicked", "bought"], examples: 1_000 },
    explain: () => Promise.resolve([]),
    ...sources,
  };
}

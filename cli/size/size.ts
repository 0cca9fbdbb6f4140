/**
 * The work of `cairn size`.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { SlotDefinition } from "../../kernels/features/schema.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { type Capacity, capacityOf, type Load, type PlannedConfiguration } from "./capacity.ts";
import { coefficients } from "./coefficients.ts";
import type { SizeFlags } from "./command.ts";
import { measureEmptyTables, measureRowMemory, type RowMemory } from "./row_memory.ts";

export async function size(flags: SizeFlags, output: Output): Promise<void> {
  const configuration = await loadConfiguration(flags.config, undefined, { serves: false });
  const { items, users, rankingsPerSecond, candidates, eventsPerRanking } = flags;
  const load = {
    items,
    users,
    rankingsPerSecond,
    candidates,
    eventsPerRanking,
    otherIds: flags.otherIds ?? Math.round((items + users) / 10),
  };
  const host = {
    cores: flags.hostCores,
    memoryBytes: flags.hostMemory * 2 ** 30,
    pricePerHour: flags.hostPrice,
  };
  const planned = plannedConfiguration(configuration);
  const capacity = capacityOf(load, planned, host, coefficients);
  output.out(
    flags.json
      ? `${JSON.stringify({ load, ...capacity, measured: coefficients, isEstimate: true })}\n`
      : sheet(load, capacity, flags),
  );
}

/** The figures of a configuration that the sheet needs. */
export function plannedConfiguration(configuration: CairnConfiguration): PlannedConfiguration {
  const rowsByClass = measureRowMemory(configuration);
  const { features, embeddingShard, joiner, storage, gateway } = configuration;
  const { classes, bytesMax } = embeddingShard.tables;
  const rowOf = (wanted: (slot: SlotDefinition) => boolean): RowMemory | undefined => {
    const rows = features.schema.slots.filter(wanted).flatMap(({ number }) => {
      const index = classes.findIndex(({ slots }) => slots.some((slot) => slot.number === number));
      return index < 0 ? [] : [rowsByClass[index]];
    });
    // The other features together are planned with the largest of their rows.
    return rows.toSorted((a, b) => b.trainingBytes - a.trainingBytes).at(0);
  };
  const isId = (slot: SlotDefinition, source: "item" | "user") =>
    slot.kind === "id" && slot.source === source;
  return {
    itemRow: rowOf((slot) => isId(slot, "item")),
    userRow: rowOf((slot) => isId(slot, "user")),
    otherRow: rowOf((slot) => slot.kind !== "id"),
    emptyTablesBytes: measureEmptyTables(configuration),
    openSeconds: configuration.learnedWithinMs / 1000,
    negativeShare: joiner.negativeSampling.rate,
    tablesBytesMax: bytesMax * configuration.shardCount,
    openBytesMax: configuration.joinerBounds.impressionsBytesMax,
    logBytesMax: storage.kind === "directory" ? storage.logBytesMax : 0,
    ...(storage.kind === "directory" && storage.redis && { knownSeconds: gateway.knownMs / 1000 }),
    snapshotsRetained: storage.kind === "directory" ? storage.snapshots.retained : 0,
    cachesBytesMax: features.itemCacheBytesMax,
    servingReplicas: configuration.servingReplicas,
    shards: configuration.shardCount,
  };
}

function sheet(load: Load, capacity: Capacity, { hostCores, hostMemory }: SizeFlags): string {
  const { rows, examplesPerSecond, memory, memoryBytes, redis, disk } = capacity;
  const { cores, hosts, perMillion } = capacity;
  const { processor, date, load: machineLoad, command } = coefficients;
  const number = (value: number) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const line = (name: string, value: string) => `  ${name.padEnd(22)} ${value}\n`;
  const { coreHours, hostHours, price } = perMillion;
  return `${number(load.rankingsPerSecond)} rankings a second of ` +
    `${counted(load.candidates, "candidate")}, ${number(rows)} rows, ` +
    `${number(examplesPerSecond)} examples a second\n\n` +
    `Memory of one process with everything: ${sizeText(memoryBytes)}\n` +
    Object.entries(memory).map(([part, bytes]) => line(part, sizeText(bytes))).join("") +
    (redis === undefined ? "" : "\nMemory of Redis\n" +
      line("logs, at most", sizeText(redis.logsMax)) +
      line("known rankings, events", sizeText(redis.known))) +
    "\nDisk\n" +
    line("written in a day", sizeText(disk.writtenPerDay)) +
    line("logs, at most", sizeText(disk.logsMax)) +
    line("snapshots", sizeText(disk.snapshots)) +
    line("stored attributes", sizeText(disk.profiles)) +
    "\nCores in use\n" +
    line("serving", number(cores.serving)) +
    line("learning", number(cores.learning)) +
    `\nHosts of ${number(hostCores)} cores and ${number(hostMemory)} GiB: ` +
    `${hostsText(hosts)}\n\n` +
    `A million rankings: ${number(coreHours)} core hours, ${number(hostHours)} host hours` +
    (price === undefined ? "\n" : `, price ${number(price)}\n`) +
    capacity.warnings.map((warning) => `\nWarning: ${warning}\n`).join("") +
    "\nThese are estimates, with four tenths of the cores and a quarter of the memory left free. " +
    `Rows were measured here; core time and disk on ${processor}, ${date}, at a load of ` +
    `${number(machineLoad)} (${command}).\n`;
}

function hostsText(
  { serving, learning, all, isOneProcess, problem }: Capacity["hosts"],
): string {
  if (isOneProcess) return "1, one process";
  if (problem !== undefined) return `none is large enough: ${problem}`;
  return `${all}, a mesh: ${serving} serving, ${learning} learning and keeping the tables`;
}

/**
 * The loss of records, told through the server that has lost them: a process that knows of it tells
 * processes that have seen no records yet, such as an operator's command. The note ends a minute
 * after the last process that knows.
 */
import { RECOVERY_STEP } from "../../ports/coordination.ts";
import { RecordsLostError } from "../../ports/record_store.ts";
import { REVISION } from "./record_scripts.ts";
import type { RedisServer } from "./redis_server.ts";

/** Hosts look at the records many times in it, and each look tells the loss anew. */
const TOLD_MS = 60_000;
const NOTE = "records:lost";

/** Tells the loss. Never fails: its reader is told the same by the hosts' logs. */
export async function tellLostRecords(
  server: RedisServer,
  { seen, found }: RecordsLostError,
): Promise<void> {
  const command = ["SET", server.key(NOTE), JSON.stringify({ seen, found }), "PX", TOLD_MS];
  await server.commands.send(command).catch(() => {});
}

/**
 * @throws {RecordsLostError} A process that runs knows newer records, and no operator has accepted
 * their loss.
 */
export async function requireNoLostRecords(server: RedisServer): Promise<void> {
  const { commands } = server;
  const [told, revision] = await Promise.all([
    commands.send<string | null>(["GET", server.key(NOTE)]),
    commands.send<string | null>(["HGET", server.key("records"), REVISION]),
  ]);
  if (told === null) return;
  const { seen, found } = JSON.parse(told);
  if (Number(revision ?? 0) < found + RECOVERY_STEP) {
    throw new RecordsLostError(server.url, seen, found);
  }
}

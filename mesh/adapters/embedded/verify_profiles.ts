/**
 * Verifies a file of profiles without changing it, for `cairn data verify`.
 */
import { DatabaseSync } from "node:sqlite";
import { profileKinds } from "../../ports/profile_store.ts";
import { reasonOf } from "../../runtime/errors.ts";
import { findPageDamage, verifyRows } from "./profile_table.ts";
import { readFileIfAny } from "./small_file.ts";
import { findWalDamage } from "./wal_check.ts";

/**
 * The first problem of the write-ahead log, the pages and the rows each; a sentence that names the
 * file.
 */
export function verifyProfiles(path: string): string[] {
  const problems: string[] = [];
  const wal = readFileIfAny(`${path}-wal`);
  const at = wal && findWalDamage(wal);
  if (at !== undefined) problems.push(`${path}-wal: a damaged frame at byte ${at}`);
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const damage = findPageDamage(database);
      if (damage !== undefined) problems.push(`${path}: ${damage}`);
      else for (const kind of profileKinds) verifyRows(database, kind);
    } finally {
      database.close();
    }
  } catch (error) {
    problems.push(`${path}: ${reasonOf(error)}`);
  }
  return problems;
}

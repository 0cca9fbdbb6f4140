/**
 * The promises of coordination over every record store; the test of each adapter runs them.
 */
import { controllersContract } from "./controllers_contract.ts";
import {
  activate,
  contractTests,
  control,
  host,
  type OpenCoordination,
} from "./coordination_under_test.ts";
import { documentsContract } from "./documents_contract.ts";
import { hostsContract } from "./hosts_contract.ts";
import { livePartitionsContract } from "./live_partitions_contract.ts";
import { liveTrainersContract } from "./live_trainers_contract.ts";
import { movesContract } from "./moves_contract.ts";
import { placementsContract } from "./placements_contract.ts";
import { recordsApartContract } from "./records_apart_contract.ts";
import { reshardContract } from "./reshard_contract.ts";
import type { ReshardTest } from "./reshard_given.ts";
import { watchesContract } from "./watches_contract.ts";

export function coordinationContract(adapter: string, open: OpenCoordination): void {
  const test = contractTests(adapter, open);
  hostsContract(test);
  controllersContract(test);
  placementsContract(test);
  movesContract(test);
  documentsContract(test);
  watchesContract(test);
  recordsApartContract(test);
  const reshardTest: ReshardTest = (name, body) =>
    test(name, ({ mesh, brief }) =>
      body({
        mesh,
        brief,
        control: (by) => control(mesh, by),
        activate: (epoch, key, owner) => activate(mesh, epoch, key, owner),
      }));
  reshardContract(reshardTest, host);
  liveTrainersContract(reshardTest, host);
  livePartitionsContract(reshardTest, host);
}

/**
 * A mesh in a process of its own, to be killed: `deno run -A mesh_process.ts cairn.yaml`. Prints its URL when it is
 * ready.
 */
import { serveHttp } from "../../cli/http_server.ts";
import { loadConfiguration } from "../../cli/load_configuration.ts";
import { startMesh } from "../../cli/start_mesh.ts";

const configuration = await loadConfiguration(Deno.args[0]);
const mesh = await startMesh(configuration, {
  logLevelMin: "warn",
  writeLog: ({ level, message, fields }) => console.error(level, message, fields),
  onFatal: (error) => {
    console.error("fatal", error);
    Deno.exit(1);
  },
});
const server = await serveHttp(mesh, { host: "127.0.0.1", port: 0 });
await mesh.waitReady();
console.log(server.url);
Deno.addSignalListener("SIGTERM", async () => {
  await server.stop();
  await mesh.stop();
  Deno.exit(0);
});

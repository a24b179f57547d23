// What most scenarios begin with: replicas on one database, nginx before them, the mixed load ready.
import { type Database } from './databases.ts';
import { signIn } from './history.ts';
import { Nginx, type NginxOptions } from './nginx.ts';
import { Replica, type ReplicaOptions, startAll } from './replica.ts';
import { type Run } from './scenario.ts';
import { pause } from './scope.ts';
import { Workload } from './workload.ts';

export interface System {
  replicas: Replica[];
  nginx: Nginx;
  load: Workload;
}

export async function startSystem(run: Run, database: Database, options: ReplicaOptions & NginxOptions & { replicas?: number } = {}): Promise<System> {
  const replicas: Replica[] = [];
  for (let n = 0; n < (options.replicas ?? 3); n++) replicas.push(await Replica.make(run.scope, database, options));
  await startAll(replicas);
  const nginx = await Nginx.start(run.scope, replicas, options);
  const load = await Workload.prepare(() => nginx.url, await signIn(nginx.url), run.random);
  // A scenario that fails half-way must not leave clients behind that try for ever what is gone.
  run.scope.defer(() => Promise.race([load.stop(), pause(5_000)]));
  return { replicas, nginx, load };
}

// nginx in front of replicas.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Replica } from './replica.ts';
import { freePort, type Managed, type Scope, Stopped, until } from './scope.ts';

export class Nginx {
  process!: Managed;
  readonly accessLog: string;
  private constructor(
    private scope: Scope,
    readonly port: number,
    private config: string,
  ) {
    this.accessLog = join(scope.folder, 'access.log');
  }

  static async start(scope: Scope, replicas: Replica[]): Promise<Nginx> {
    const nginx = new Nginx(scope, await freePort(), join(scope.folder, 'nginx.conf'));
    scope.makeFolder('nginx-temp');
    nginx.write(replicas);
    nginx.process = scope.run('nginx', 'nginx', ['-c', nginx.config, '-e', join(scope.folder, 'nginx-error.log'), '-p', scope.folder]);
    await until('nginx', 10_000, async () => {
      if (nginx.process.ended) throw new Stopped(`nginx ended: ${nginx.process.log}`);
      return (await fetch(`${nginx.url}/healthz/live`, { signal: AbortSignal.timeout(1_000) })).status === 200;
    });
    scope.defer(() => nginx.process.stop('SIGTERM', 5_000));
    return nginx;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get log(): string {
    return readFileSync(this.accessLog, 'utf8');
  }

  private write(replicas: Replica[]): void {
    const temp = join(this.scope.folder, 'nginx-temp');
    const servers = replicas.map((one) => `    server ${one.address} max_fails=1 fail_timeout=1s;`).join('\n');
    writeFileSync(
      this.config,
      `daemon off;
worker_processes 1;
pid ${join(this.scope.folder, 'nginx.pid')};
events { worker_connections 4096; }
http {
  log_format upstream escape=json '{"time":$msec,"id":"$request_id","method":"$request_method","uri":"$request_uri","status":$status,'
    '"upstream":"$upstream_addr","statuses":"$upstream_status","times":"$upstream_response_time","took":$request_time}';
  access_log ${this.accessLog} upstream;
  client_body_temp_path ${temp}/body;
  proxy_temp_path ${temp}/proxy;
  fastcgi_temp_path ${temp}/fastcgi;
  uwsgi_temp_path ${temp}/uwsgi;
  scgi_temp_path ${temp}/scgi;
  client_max_body_size 10m;
  keepalive_requests 100000;
  upstream halcyon {
    zone halcyon 256k;
    least_conn;
${servers}
    keepalive 64;
  }
  server {
    listen 127.0.0.1:${this.port};
    location / {
      proxy_pass http://halcyon;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_connect_timeout 1s;
      proxy_read_timeout 40s;
      proxy_next_upstream error timeout invalid_header http_502 http_503 non_idempotent;
      proxy_next_upstream_tries 6;
      proxy_next_upstream_timeout 60s;
    }
  }
}
`,
    );
  }
}

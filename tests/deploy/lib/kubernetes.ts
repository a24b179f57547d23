// A Kubernetes control plane without nodes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and a stand-in
// for the kubelets that says of every bound pod that it runs. Everything but the containers is real.
//
//   const kube = await Kubernetes.start(scope);
//   await kube.apply(objects, { dryRun: true });        // the server's own validation, unknown fields refused
//   await kube.addNodes(4, 2);                           // 4 nodes in 2 zones
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePort, type Scope, Stopped, until } from '../../cluster/lib/scope.ts';
import { root } from './docker.ts';

const tools = join(root, 'build/tools');
export const tool = (name: string) => join(tools, name);
export const hasTools = (...names: string[]) => names.every((name) => existsSync(tool(name)));

export interface Thing {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; [key: string]: any };
  [key: string]: any;
}

const token = 'of-the-test';

export class Kubernetes {
  private resources = new Map<string, { path: string; namespaced: boolean }>();
  private constructor(
    readonly scope: Scope,
    readonly port: number,
  ) {}

  static async start(scope: Scope): Promise<Kubernetes> {
    const etcd = `http://127.0.0.1:${await freePort()}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    scope.run('etcd', 'etcd', ['--data-dir', scope.makeFolder('etcd'), '--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`, '--log-level', 'error']);
    await until('etcd', 15_000, async () => (await fetch(`${etcd}/health`)).ok);
    const key = join(scope.folder, 'service-account.key');
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' });
    const tokens = join(scope.folder, 'tokens.csv');
    writeFileSync(tokens, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
    const kube = new Kubernetes(scope, await freePort());
    const server = scope.run('kube-apiserver', tool('kube-apiserver'), [
      ...[`--etcd-servers=${etcd}`, `--cert-dir=${scope.makeFolder('certificates')}`, `--secure-port=${kube.port}`, '--bind-address=127.0.0.1'],
      ...['--service-cluster-ip-range=10.96.0.0/16', `--token-auth-file=${tokens}`, '--authorization-mode=RBAC', '--endpoint-reconciler-type=none'],
      ...['--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`],
      ...['--allow-privileged=false'],
    ]);
    await until('kube-apiserver', 120_000, async () => {
      if (server.ended) throw new Stopped(`kube-apiserver ended: ${server.log.slice(-3000)}`);
      return (await kube.call('GET', '/readyz')).status === 200;
    }, 250);
    const config = join(scope.folder, 'kubeconfig');
    const cluster = { name: 'test', cluster: { server: kube.url, 'insecure-skip-tls-verify': true } };
    writeFileSync(config, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [cluster], users: [{ name: 'admin', user: { token } }], contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }], 'current-context': 'test' }), { mode: 0o600 });
    const common = [`--kubeconfig=${config}`, '--leader-elect=false'];
    const own = async () => [`--secure-port=${await freePort()}`, '--bind-address=127.0.0.1', `--cert-dir=${scope.makeFolder('certificates-of-others')}`];
    scope.run('kube-controller-manager', tool('kube-controller-manager'), [...common, ...(await own()), '--controllers=*,-node-lifecycle-controller,-node-ipam-controller,-cloud-node-lifecycle-controller', '--horizontal-pod-autoscaler-sync-period=2s', '--horizontal-pod-autoscaler-cpu-initialization-period=1s', '--horizontal-pod-autoscaler-initial-readiness-delay=1s', `--service-account-private-key-file=${key}`, '--use-service-account-credentials=false']);
    scope.run('kube-scheduler', tool('kube-scheduler'), [...common, ...(await own())]);
    return kube;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<{ status: number; body: any }> {
    const text = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) };
      const ask = request(`${this.url}${path}`, { method, headers, rejectUnauthorized: false, timeout: 30_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const raw = Buffer.concat(chunks).toString();
          let parsed: unknown = raw;
          try {
            parsed = JSON.parse(raw);
          } catch {
            // Plain text.
          }
          resolve({ status: response.statusCode!, body: parsed });
        });
      });
      ask.on('error', reject);
      ask.on('timeout', () => ask.destroy(new Error('no answer')));
      ask.end(text);
    });
  }

  async get(path: string): Promise<any> {
    const { status, body } = await this.call('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body).slice(0, 500)}`);
    return body;
  }

  /** Where objects of this kind are kept, or undefined when the server does not know the kind. */
  private async resource(apiVersion: string, kind: string): Promise<{ path: string; namespaced: boolean } | undefined> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    if (!this.resources.has(`${apiVersion} ${kind}`)) {
      const list = await this.call('GET', group);
      for (const one of list.body.resources ?? []) {
        if (!one.name.includes('/')) this.resources.set(`${apiVersion} ${one.kind}`, { path: `${group}|${one.name}`, namespaced: one.namespaced });
      }
    }
    return this.resources.get(`${apiVersion} ${kind}`);
  }

  /** Server-side apply; gives what was refused, and the kinds this server does not know. */
  async apply(things: Thing[], options: { dryRun?: boolean; namespace?: string } = {}): Promise<{ refused: string[]; unknown: string[] }> {
    const refused: string[] = [];
    const unknown: string[] = [];
    for (const thing of things) {
      const resource = await this.resource(thing.apiVersion, thing.kind);
      if (!resource) {
        unknown.push(thing.kind);
        continue;
      }
      const [group, plural] = resource.path.split('|');
      const place = resource.namespaced ? `/namespaces/${thing.metadata.namespace ?? options.namespace ?? 'default'}` : '';
      const query = `fieldManager=test&force=true&fieldValidation=Strict${options.dryRun ? '&dryRun=All' : ''}`;
      const answer = await this.call('PATCH', `${group}${place}/${plural}/${thing.metadata.name}?${query}`, thing, 'application/apply-patch+yaml');
      if (answer.status >= 300) refused.push(`${thing.kind} ${thing.metadata.name}: ${answer.body?.message ?? JSON.stringify(answer.body)}`);
    }
    return { refused, unknown };
  }

  async namespace(name: string): Promise<void> {
    // What the restricted pod security standard forbids is refused.
    await this.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } }]);
  }

  async addNodes(count: number, zones: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const name = `node-${n}`;
      const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${n % zones}` };
      await this.apply([{ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }]);
      const size = { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' };
      const status = { capacity: size, allocatable: size, conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: new Date().toISOString(), lastTransitionTime: new Date().toISOString() }] };
      await this.call('PATCH', `/api/v1/nodes/${name}/status`, { status }, 'application/merge-patch+json');
      // The controllers take this off a node that they see for the first time; no kubelet is there for it.
      await this.call('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } }, 'application/merge-patch+json');
    }
  }

  async pods(component: string, namespace: string): Promise<any[]> {
    const list = await this.get(`/api/v1/namespaces/${namespace}/pods?labelSelector=app.kubernetes.io/component%3D${component}`);
    return list.items.filter((one: any) => !one.metadata.deletionTimestamp);
  }

  /** In place of the kubelets: bound pods run at once, pods that are deleted are gone. */
  runPods(namespace: string): void {
    const look = async () => {
      const now = new Date().toISOString();
      for (const pod of (await this.get(`/api/v1/namespaces/${namespace}/pods`)).items) {
        const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}`;
        if (pod.metadata.deletionTimestamp) await this.call('DELETE', path, { gracePeriodSeconds: 0 });
        else if (pod.spec.nodeName && pod.status.phase === 'Pending') {
          const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: now });
          const containers = pod.spec.containers.map((one: any) => ({ name: one.name, image: one.image, imageID: 'x', ready: true, started: true, restartCount: 0, state: { running: { startedAt: now } } }));
          const status = { phase: 'Running', startTime: now, conditions: ['Ready', 'ContainersReady', 'Initialized', 'PodScheduled'].map(condition), containerStatuses: containers };
          await this.call('PATCH', `${path}/status`, { status }, 'application/merge-patch+json');
        }
      }
    };
    let stopped = false;
    const loop = async () => {
      while (!stopped) {
        await look().catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    };
    const running = loop();
    this.scope.defer(() => {
      stopped = true;
      return running;
    });
  }
}

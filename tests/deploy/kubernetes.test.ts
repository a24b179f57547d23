// The chart on a real Kubernetes API server with its controllers and scheduler; only the nodes are made up.
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AddressInfo } from 'node:net';
import { Scope, until } from '../cluster/lib/scope.ts';
import { matrix, render } from './lib/chart.ts';
import { hasTools, Kubernetes, type Thing } from './lib/kubernetes.ts';

const skip = hasTools('helm', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler') ? false : 'the tools are not built: script/kubernetes-tools';
// Kinds of operators that are not there.
const foreign = new Set(['HTTPRoute', 'ServiceMonitor', 'PrometheusRule', 'ScaledObject', 'Cluster']);
const namespace = 'halcyon';

describe('the chart on Kubernetes', { skip }, () => {
  let scope: Scope;
  let kube: Kubernetes;
  before(async () => {
    scope = new Scope('kubernetes');
    kube = await Kubernetes.start(scope);
    await kube.namespace(namespace);
  }, { timeout: 200_000 });
  after(() => scope.close());

  for (const [name, args] of Object.entries(matrix)) {
    it(`is accepted whole with ${name}`, async () => {
      const { refused, unknown } = await kube.apply(render(...args), { dryRun: true, namespace });
      assert.deepEqual(refused, []);
      assert.deepEqual(unknown.filter((kind) => !foreign.has(kind)), []);
    });
  }

  it('is refused with an unknown field, so that the above means something', async () => {
    const things = render(...matrix.defaults);
    things.find((one) => one.kind === 'Deployment')!.spec.template.spec.containers[0].lifecycl = {};
    assert.match((await kube.apply(things, { dryRun: true, namespace })).refused.join(), /lifecycl/);
  });

  it('spreads its pods over nodes and zones, also in a rolling update', { timeout: 200_000 }, async () => {
    await kube.addNodes(6, 3);
    const things = render(...matrix.defaults);
    assert.deepEqual((await kube.apply(things, { namespace })).refused, []);
    kube.runPods(namespace);
    const zones = new Map<string, string>();
    for (const node of (await kube.get('/api/v1/nodes')).items) zones.set(node.metadata.name, node.metadata.labels['topology.kubernetes.io/zone']);
    const settled = async (component: string, count: number, image?: string) => {
      const pods = await until(`${count} pods of ${component} on nodes`, 90_000, async () => {
        const list = await kube.pods(component, namespace);
        const bound = list.filter((one) => one.spec.nodeName && one.status.phase === 'Running' && (!image || one.spec.containers[0].image === image));
        return list.length === count && bound.length === count ? bound : undefined;
      }, 300);
      const nodes = pods.map((one) => one.spec.nodeName);
      assert.equal(new Set(nodes).size, count, `${component} on ${nodes}`);
      assert.equal(new Set(nodes.map((one) => zones.get(one))).size, Math.min(3, count), `zones of ${component}: ${nodes.map((one) => zones.get(one))}`);
    };
    // The claims of the database wait for a volume, which nobody makes here; they are bound by hand.
    for (const claim of await until('claims', 60_000, async () => {
      const list = (await kube.get(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`)).items;
      return list.length === 3 ? list : undefined;
    })) {
      const name = claim.metadata.name;
      const spec = { capacity: { storage: '20Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: `/x/${name}` }, claimRef: { namespace, name } };
      assert.deepEqual((await kube.apply([{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: `pv-${name}` }, spec }])).refused, []);
    }
    await settled('web', 3);
    await settled('worker', 2);
    await settled('nginx', 2);
    await settled('database', 3);
    const newer = render(...matrix.defaults, '--set', 'image.tag=0.1.1');
    assert.deepEqual((await kube.apply(newer, { namespace })).refused, []);
    let least = 99;
    const watching = setInterval(() => {
      void kube.pods('web', namespace).then((list) => (least = Math.min(least, list.filter((one) => one.status.phase === 'Running').length)), () => undefined);
    }, 200);
    await settled('web', 3, 'halcyon/halcyon:0.1.1').finally(() => clearInterval(watching));
    assert.ok(least >= 3, `only ${least} web pods during the update`);
  });

  it('grows with the load up to its limit', { timeout: 200_000 }, async () => {
    let busy = false;
    const metrics = await metricsServer(scope, kube, () => (busy ? '1' : '50m'));
    assert.deepEqual((await kube.apply(metrics)).refused, []);
    const scaler = () => kube.get(`/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/halcyon-web`);
    await until('the autoscaler sees the metrics', 60_000, async () => {
      const active = ((await scaler()).status?.conditions ?? []).find((one: any) => one.type === 'ScalingActive');
      if (active?.status === 'True') return true;
      const service = await kube.get('/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io');
      throw new Error(JSON.stringify(service.status));
    }, 500);
    assert.equal((await kube.pods('web', namespace)).length, 3);
    busy = true; // four times what it requests
    await until('ten web pods', 150_000, async () => (await kube.pods('web', namespace)).filter((one) => one.status.phase === 'Running').length === 10, 500);
  });

  it('gives the database nodes no more rights than Patroni needs', async () => {
    const may = async (user: string, verb: string, resource: string) => {
      const spec = { user: `system:serviceaccount:${namespace}:${user}`, resourceAttributes: { namespace, verb, resource } };
      return (await kube.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec })).body.status.allowed;
    };
    assert.deepEqual([await may('halcyon-pg', 'patch', 'configmaps'), await may('halcyon-pg', 'patch', 'pods')], [true, true]);
    for (const [verb, resource] of [['get', 'secrets'], ['create', 'pods'], ['delete', 'pods']]) assert.equal(await may('halcyon-pg', verb, resource), false, `${verb} ${resource}`);
    assert.equal(await may('halcyon', 'get', 'configmaps'), false);
  });
});

/** A metrics API (metrics.k8s.io) that says of every web pod how much it uses. */
async function metricsServer(scope: Scope, kube: Kubernetes, cpu: () => string): Promise<Thing[]> {
  const key = join(scope.folder, 'metrics.key');
  const cert = join(scope.folder, 'metrics.crt');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const group = '/apis/metrics.k8s.io/v1beta1';
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    void (async () => {
      response.setHeader('Content-Type', 'application/json');
      const url = new URL(request.url!, 'https://localhost');
      if (url.pathname === group) {
        const resource = { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] };
        return response.end(JSON.stringify({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'metrics.k8s.io/v1beta1', resources: [resource] }));
      }
      if (!url.pathname.endsWith('/pods')) return response.writeHead(url.pathname === '/readyz' ? 200 : 404).end('{}');
      const selector = url.searchParams.get('labelSelector') ?? '';
      const pods = (await kube.get(`/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`)).items;
      const now = new Date().toISOString();
      const items = pods.map((pod: any) => ({
        metadata: { name: pod.metadata.name, namespace, labels: pod.metadata.labels }, timestamp: now, window: '10s',
        containers: pod.spec.containers.map((one: any) => ({ name: one.name, usage: { cpu: cpu(), memory: '100Mi' } })),
      }));
      response.end(JSON.stringify({ kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', metadata: {}, items }));
    })().catch(() => response.writeHead(500).end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer(() => server.close());
  const port = (server.address() as AddressInfo).port;
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'metrics', namespace: 'default' }, spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] } },
    { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1beta1.metrics.k8s.io' }, spec: { group: 'metrics.k8s.io', version: 'v1beta1', insecureSkipTLSVerify: true, groupPriorityMinimum: 100, versionPriority: 100, service: { name: 'metrics', namespace: 'default', port } } },
  ];
}

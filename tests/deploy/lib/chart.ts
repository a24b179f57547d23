// Renders of the chart and what every rendered object must obey.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root } from './docker.ts';
import { type Thing, tool } from './kubernetes.ts';

export const chart = join(root, 'deploy/helm/halcyon');
export const manifests = join(root, 'deploy/kubernetes');
export const valueFiles = readdirSync(join(manifests, 'values')).map((name) => join(manifests, 'values', name));

export function parse(text: string): Thing[] {
  return parseAllDocuments(text, { strict: true, uniqueKeys: true }).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    const value = document.toJS({ maxAliasCount: 0 });
    return value ? [value as Thing] : [];
  });
}

export function helm(...args: string[]): string {
  return execFileSync(tool('helm'), args, { cwd: root, stdio: 'pipe', maxBuffer: 1 << 26 }).toString();
}

export function render(...args: string[]): Thing[] {
  return parse(helm('template', 'halcyon', chart, '--namespace', 'halcyon', '--kube-version', '1.34.0', ...args));
}

const secret = ['--set', 'secret.existing=halcyon-secrets'];
const external = ['--set', 'database.kind=external,database.host=db.example.org'];
/** What is installed in the most different ways. */
export const matrix: Record<string, string[]> = {
  'defaults': secret,
  'everything on': [...secret, '--set', 'backup.enabled=true,ingress.enabled=true,ingress.className=nginx,httpRoute.enabled=true,monitoring.serviceMonitor.enabled=true,monitoring.rules.enabled=true,nginx.tlsSecret=tls,web.autoscaling.requestsInFlight=50,spread.nodes=required,spread.zones=DoNotSchedule,patroni.antiAffinity=required'],
  'an external PostgreSQL, no nginx': [...secret, ...external, '--set', 'nginx.enabled=false,ingress.enabled=true,backup.enabled=true'],
  'an external MySQL, no workers, no autoscaler': [...secret, ...external, '--set', 'database.dialect=mysql,database.port=3306,worker.enabled=false,web.autoscaling.enabled=false'],
  'CloudNativePG and KEDA': [...secret, '--set', 'database.kind=cloudnative-pg,worker.keda.enabled=true'],
  'small, secrets as values': ['--set', 'secret.values.app-key=a,secret.values.app-aes-secret-key=b,secret.values.root-password=c,secret.values.database-password=d,web.autoscaling.enabled=false,worker.autoscaling.enabled=false,web.replicas=1,worker.replicas=1,patroni.replicas=1,networkPolicy.enabled=false,drain.preStopSeconds=0'],
};

export const committed = () => readdirSync(manifests).filter((name) => name.endsWith('.yaml') && !name.includes('example')).map((name) => ({ name, things: parse(readFileSync(join(manifests, name), 'utf8')) }));

function podOf(thing: Thing): any {
  if (thing.kind === 'Pod') return thing;
  if (thing.kind === 'CronJob') return thing.spec.jobTemplate.spec.template;
  return ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'].includes(thing.kind) ? thing.spec.template : undefined;
}

/** What is wrong with these objects; empty: nothing. */
export function faults(things: Thing[]): string[] {
  const found: string[] = [];
  const selects = (labels: Record<string, string>, selector: Record<string, string>) => Object.entries(selector).every(([key, value]) => labels[key] === value);
  for (const thing of things) {
    const bad = (what: string) => found.push(`${thing.kind} ${thing.metadata.name}: ${what}`);
    for (const label of ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/version', 'app.kubernetes.io/component', 'app.kubernetes.io/part-of', 'app.kubernetes.io/managed-by']) {
      if (!thing.metadata.labels?.[label]) bad(`no label ${label}`);
    }
    const pod = podOf(thing);
    if (!pod) continue;
    const serves = ['Deployment', 'StatefulSet'].includes(thing.kind);
    podFaults(pod.spec, serves, bad);
    if (serves) workloadFaults(thing, things, bad);
    if (serves && !things.some((one) => one.kind === 'PodDisruptionBudget' && selects(pod.metadata.labels, one.spec.selector.matchLabels) && one.spec.maxUnavailable === 1)) bad('no disruption budget');
    const policed = things.some((one) => one.kind === 'NetworkPolicy');
    if (policed && thing.kind !== 'Pod' && !things.some((one) => one.kind === 'NetworkPolicy' && selects(pod.metadata.labels, one.spec.podSelector.matchLabels))) bad('no network policy');
  }
  return found;
}

function podFaults(spec: any, serves: boolean, bad: (what: string) => void): void {
  if (spec.securityContext?.runAsNonRoot !== true || spec.securityContext?.runAsUser < 10_000) bad('may run as root');
  if (spec.securityContext?.seccompProfile?.type !== 'RuntimeDefault') bad('no seccomp profile');
  if (spec.hostNetwork || spec.hostPID || spec.hostIPC) bad("uses the host's namespaces");
  if (spec.automountServiceAccountToken === undefined) bad('does not say whether it gets a token');
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const security = container.securityContext ?? {};
    if (security.readOnlyRootFilesystem !== true) bad('its root file system can be written');
    if (security.allowPrivilegeEscalation !== false || security.capabilities?.drop?.[0] !== 'ALL') bad('keeps privileges');
    if (!/:[^:/]+$/.test(container.image) || container.image.endsWith(':latest')) bad(`image ${container.image} names no version`);
    for (const resource of ['cpu', 'memory']) if (!container.resources?.requests?.[resource]) bad(`requests no ${resource}`);
    if (container.resources?.limits?.memory !== container.resources?.requests?.memory) bad('its limit of memory is not what it requests');
    for (const env of container.env ?? []) if (/KEY|PASSWORD|SECRET/.test(env.name) && env.value && !env.value.startsWith('/')) bad(`${env.name} is written in the clear`);
    if (!serves) continue;
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) if (!container[probe]) bad(`no ${probe}`);
    if (container.name === 'halcyon') {
      const path = (probe: string) => container[probe].httpGet.path;
      if (path('livenessProbe') !== '/healthz/live') bad('its liveness asks for more than the process');
      if (path('readinessProbe') !== '/healthz/ready' || path('startupProbe') !== '/healthz/startup') bad('a probe asks another path');
      if (container.readinessProbe.periodSeconds * container.readinessProbe.failureThreshold <= 30) bad('a failover of the database takes it out of its Service');
    }
  }
}

function workloadFaults(thing: Thing, things: Thing[], bad: (what: string) => void): void {
  const { spec } = thing;
  const pod = spec.template.spec;
  if (thing.kind === 'Deployment' && (spec.strategy?.rollingUpdate?.maxUnavailable !== 0 || !spec.minReadySeconds)) bad('a rolling update takes replicas away first');
  const scaler = things.find((one) => ['HorizontalPodAutoscaler', 'ScaledObject'].includes(one.kind) && one.spec.scaleTargetRef.name === thing.metadata.name);
  if (scaler && spec.replicas !== undefined) bad('says replicas although an autoscaler decides');
  if (scaler?.kind === 'HorizontalPodAutoscaler') {
    const down = scaler.spec.behavior?.scaleDown;
    if (down?.stabilizationWindowSeconds < 300 || down?.policies?.[0].value !== 1) bad('goes down too fast');
  }
  const keys = (pod.topologySpreadConstraints ?? []).map((one: any) => one.topologyKey);
  if (!keys.includes('kubernetes.io/hostname') || !keys.includes('topology.kubernetes.io/zone')) bad('is not spread over nodes and zones');
  if (!pod.affinity?.podAntiAffinity) bad('has no anti-affinity');
  const settings = things.find((one) => one.kind === 'ConfigMap')?.data ?? {};
  if (pod.containers[0].name !== 'halcyon') return;
  const seconds = (name: string) => Number(/^(\d+)s$/.exec(settings[name])?.[1]);
  const preStop = pod.containers[0].lifecycle?.preStop?.sleep?.seconds ?? 0;
  if (!(pod.terminationGracePeriodSeconds > preStop + seconds('SHUTDOWN_DELAY') + seconds('SHUTDOWN_TIMEOUT') + 15)) bad('is killed before it has drained');
}

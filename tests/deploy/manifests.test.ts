// deploy/helm and deploy/kubernetes without a cluster: what is rendered obeys our rules, and the two are the same.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { chart, committed, faults, helm, matrix, manifests, render } from './lib/chart.ts';
import { root } from './lib/docker.ts';
import { hasTools, tool } from './lib/kubernetes.ts';

const skip = hasTools('helm') ? false : 'Helm is not built: script/kubernetes-tools helm';
const secret = ['--set', 'secret.existing=halcyon-secrets'];

describe('the plain manifests', () => {
  for (const { name, things } of committed()) {
    it(`${name} obeys the rules`, () => {
      assert.ok(things.length > 15);
      assert.deepEqual(faults(things), []);
    });
  }

  it('notices what breaks a rule', () => {
    const { things } = committed()[0];
    const web = things.find((one) => one.kind === 'Deployment' && one.metadata.name.endsWith('web'))!;
    const container = web.spec.template.spec.containers[0];
    container.livenessProbe.httpGet.path = '/healthz/ready';
    container.image = 'halcyon/halcyon:latest';
    web.spec.replicas = 3;
    web.spec.template.spec.terminationGracePeriodSeconds = 30;
    assert.equal(faults(things).length, 4);
  });

  it('are what the chart renders', { skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'manifests-'));
    try {
      execFileSync('script/render-manifests', [folder], { cwd: root, env: { ...process.env, HELM: tool('helm') } });
      for (const { name } of committed()) {
        assert.equal(readFileSync(join(manifests, name), 'utf8'), readFileSync(join(folder, name), 'utf8'), `${name}: run script/render-manifests`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the chart', { skip }, () => {
  it('passes helm lint', () => {
    assert.match(helm('lint', '--strict', chart, ...secret), /0 chart\(s\) failed/);
  });
  for (const [name, args] of Object.entries(matrix)) {
    it(`obeys the rules with ${name}`, () => assert.deepEqual(faults(render(...args)), []));
  }
  for (const [what, args, why] of [
    ['a misspelled value', [...secret, '--set', 'web.replica=3'], /replica/],
    ['no secret', [], /secret\.existing/],
    ['the tag latest', [...secret, '--set', 'image.tag=latest'], /image\/tag|image\.tag/],
    ['a secret among the settings', [...secret, '--set', 'settings.APP_KEY=x'], /settings/],
    ['an external database without a host', [...secret, '--set', 'database.kind=external'], /database\.host/],
    ['more replicas than connections', [...secret, '--set', 'web.autoscaling.maxReplicas=40'], /database\.maxConnections is 500/],
    ['a backup of MySQL by pg_dump', [...secret, '--set', 'database.kind=external,database.host=x,database.dialect=mysql,backup.enabled=true'], /backup\.enabled/],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => render(...args), why));
  }
  it('rolls the pods when a setting changes', () => {
    const sum = (...args: string[]) => render(...secret, ...args).find((one) => one.kind === 'Deployment' && one.metadata.name === 'halcyon-web')!.spec.template.metadata.annotations['checksum/config'];
    assert.notEqual(sum(), sum('--set', 'settings.APP_LANG=zh-CN'));
    assert.equal(sum(), sum('--set', 'web.replicas=7'));
  });
});

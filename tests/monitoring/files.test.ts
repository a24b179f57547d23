// deploy/monitoring: the dashboard, the alert rules and the example use figures that exist, and Prometheus takes them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documentedMetrics, promtool } from '../lib/exposition.ts';

const folder = fileURLToPath(new URL('../../deploy/monitoring/', import.meta.url));
const documented = documentedMetrics('metrics.md');

/** Names of figures in an expression that no server shows. */
function unknown(expression: string): string[] {
  const names = [...expression.matchAll(/\b(?:halcyon|process)_\w+/g)].map((found) => found[0]);
  return names.filter((name) => {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    return !documented.has(name) && documented.get(family)?.type !== 'histogram';
  });
}

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; refId: string }[];
}

describe('deploy/monitoring', () => {
  const dashboard = JSON.parse(readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8'));
  const panels: Panel[] = dashboard.panels;
  const expressions = panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr));

  it('the dashboard is whole: panels with titles, places and queries of their own', () => {
    assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
    const taken = new Set<string>();
    for (const { type, title, gridPos, targets } of panels) {
      assert.ok(title, JSON.stringify(gridPos));
      assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${title} lies over another`);
          taken.add(`${x} ${y}`);
        }
      }
      if (type === 'row') continue;
      assert.ok(targets!.length > 0, title);
      assert.equal(new Set(targets!.map((target) => target.refId)).size, targets!.length, title);
    }
    const variables = dashboard.templating.list.map((one: { name: string }) => one.name);
    const used = JSON.stringify(panels).matchAll(/\$\{?(?!__)(\w+)/g);
    for (const [, name] of used) assert.ok(variables.includes(name), `$${name}`);
  });

  it('the dashboard and the alerts use figures that exist, and every kind of figure is on the dashboard', () => {
    const alerts = readFileSync(join(folder, 'alerts.yml'), 'utf8');
    for (const expression of [...expressions, ...dashboard.templating.list.map((one: { query: string }) => one.query)]) {
      assert.deepEqual(unknown(expression), [], expression);
    }
    const inAlerts = [...alerts.matchAll(/^ +expr: '(.*)'$/gm)].map((found) => found[1].replaceAll("''", "'"));
    assert.ok(inAlerts.length >= 20);
    for (const expression of inAlerts) assert.deepEqual(unknown(expression), [], expression);
    const all = expressions.join('\n');
    const missing = [...documented.keys()].filter((name) => !new RegExp(`\\b${name}(_bucket)?\\b`).test(all));
    // Figures that are looked up in need, not watched.
    assert.deepEqual(missing.sort(), [
      'halcyon_hash_queue',
      'halcyon_lease_held',
      'halcyon_supervisor_workers_ready',
      'halcyon_supervisor_workers_running',
      'halcyon_supervisor_workers_wanted',
      'halcyon_worker_ids',
      'process_start_time_seconds',
      'process_threads',
      'process_virtual_memory_bytes',
    ]);
  });

  it('Prometheus understands every query of the dashboard', (t) => {
    const temporary = mkdtempSync(join(tmpdir(), 'halcyon-monitoring-'));
    try {
      const plain = (expression: string) => expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|instance)/g, 'x');
      const rules = expressions.map((expression, i) => ({ record: `r${i}`, expr: plain(expression) }));
      writeFileSync(join(temporary, 'rules.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      const checked = promtool(['check', 'rules', join(temporary, 'rules.yml')]);
      if (!checked) return t.skip('promtool is not installed (Debian package prometheus)');
      assert.equal(checked.code, 0, checked.output);
    } finally {
      rmSync(temporary, { recursive: true });
    }
  });

  it('the alerts and the example are valid, and every alert is tested', (t) => {
    const alerts = readFileSync(join(folder, 'alerts.yml'), 'utf8');
    const tests = readFileSync(join(folder, 'alerts.test.yml'), 'utf8');
    const names = [...alerts.matchAll(/- alert: (\w+)$/gm)].map((found) => found[1]);
    // Alternatives such as "Halcyon(A|B)" and "A|B" in the tests' expressions.
    const tested = tests.replaceAll(/(\w*)\(([\w|]+)\)/g, (_, prefix, list) => list.split('|').map((part: string) => prefix + part).join(' '));
    for (const name of names) {
      assert.match(tested, new RegExp(`\\b${name}\\b`), name);
      const rule = alerts.slice(alerts.indexOf(`- alert: ${name}\n`)).split('- alert: ')[1];
      for (const part of ['severity: (critical|warning|info)', "summary: '.", "action: '.", "summary_zh: '.", "action_zh: '."]) assert.match(rule, new RegExp(part), `${name}: ${part}`);
    }
    const checked = promtool(['check', 'config', 'prometheus.yml'], { cwd: folder });
    if (!checked) return t.skip('promtool is not installed (Debian package prometheus)');
    assert.equal(checked.code, 0, checked.output);
    const passed = promtool(['test', 'rules', 'alerts.test.yml'], { cwd: folder })!;
    assert.equal(passed.code, 0, passed.output);
  });

  it('the documentation in Chinese lists the same figures', () => {
    assert.ok(documented.size > 40);
    assert.deepEqual(documentedMetrics('metrics.zh-CN.md'), documented);
  });
});

// A strict reader of Prometheus' text format: what is wrong is an error, however lenient Prometheus is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}
export interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

const nameForm = /^[a-z][a-z0-9_]*$/;
// Times are in seconds, sizes in bytes.
const foreignUnits = /_(ms|milliseconds|microseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_total)?$/;

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const found = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,(?=[a-z_])|$)/.exec(rest);
    assert.ok(found, `labels: ${line}`);
    assert.ok(!(found[1] in labels), `a label twice: ${line}`);
    labels[found[1]] = found[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    rest = rest.slice(found[0].length);
  }
  return labels;
}

function readValue(text: string, line: string): number {
  const special: Record<string, number> = { '+Inf': Infinity, '-Inf': -Infinity, NaN: NaN };
  if (text in special) return special[text];
  assert.match(text, /^-?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i, `value: ${line}`);
  return Number(text);
}

const seriesOf = (labels: Record<string, string>, without = '') =>
  JSON.stringify(Object.entries(labels).filter(([name]) => name !== without).sort());

function checkHistogram(name: string, family: Family): void {
  const series = new Map<string, Sample[]>();
  for (const sample of family.samples) {
    const key = seriesOf(sample.labels, 'le');
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, samples] of series) {
    const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map((sample) => readValue(sample.labels.le, `${name} le`));
    assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b), `buckets in order: ${name} ${key}`);
    assert.equal(bounds.at(-1), Infinity, `+Inf: ${name} ${key}`);
    for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i].value >= buckets[i - 1].value, `buckets add up: ${name} ${key}`);
    const count = samples.filter((sample) => sample.name === `${name}_count`);
    assert.equal(count.length, 1, `_count: ${name} ${key}`);
    assert.equal(count[0].value, buckets.at(-1)!.value, `_count is the last bucket: ${name} ${key}`);
    assert.equal(samples.filter((sample) => sample.name === `${name}_sum`).length, 1, `_sum: ${name} ${key}`);
  }
}

function checkFamily(name: string, family: Family): void {
  assert.match(name, nameForm);
  assert.doesNotMatch(name, foreignUnits);
  assert.ok(family.help.length > 0, `help: ${name}`);
  assert.ok(['counter', 'gauge', 'histogram'].includes(family.type), `type: ${name} ${family.type}`);
  assert.equal(name.endsWith('_total'), family.type === 'counter', `_total is for counters: ${name}`);
  assert.doesNotMatch(name, /_(count|sum|bucket)$/);
  const seen = new Set<string>();
  for (const sample of family.samples) {
    const series = sample.name + seriesOf(sample.labels);
    assert.ok(!seen.has(series), `twice: ${series}`);
    seen.add(series);
    if (family.type === 'counter') assert.ok(sample.value >= 0, series);
    assert.equal('le' in sample.labels, sample.name.endsWith('_bucket'), `le is for buckets: ${series}`);
  }
  if (family.type === 'histogram') checkHistogram(name, family);
}

export function parseExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map<string, Family>();
  let name = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      assert.ok(!families.has(comment[2]), `one block for a family: ${line}`);
      name = comment[2];
      families.set(name, { type: '', help: comment[3], samples: [] });
      continue;
    }
    const family = families.get(name);
    assert.ok(family, `HELP comes first: ${line}`);
    if (comment) {
      assert.equal(comment[2], name, `TYPE follows HELP: ${line}`);
      assert.equal(family.type, '', `TYPE once: ${line}`);
      family.type = comment[3];
      continue;
    }
    assert.notEqual(family.type, '', `TYPE before samples: ${line}`);
    const found = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(found, `a sample: ${line}`);
    const suffix = family.type === 'histogram' ? '_(bucket|count|sum)' : '';
    assert.match(found[1], new RegExp(`^${name}${suffix}$`), `sample of ${name}: ${line}`);
    family.samples.push({ name: found[1], labels: readLabels(found[2] ?? '', line), value: readValue(found[3], line) });
  }
  for (const [each, family] of families) checkFamily(each, family);
  return families;
}

/** The tables of docs/metrics*.md: name -> type and labels. */
export function documentedMetrics(file: string): Map<string, { type: string; labels: string[] }> {
  const text = readFileSync(fileURLToPath(new URL(`../../docs/${file}`, import.meta.url)), 'utf8');
  const found = new Map<string, { type: string; labels: string[] }>();
  for (const [, name, type, labels, meaning] of text.matchAll(/^\| `([a-z_]+)` \| (\w+) \|([^|]*)\| (.+) \|$/gm)) {
    assert.ok(!found.has(name), `${name} is documented once in ${file}`);
    assert.ok(meaning.length > 2, name);
    found.set(name, { type, labels: [...labels.matchAll(/`(\w+)`/g)].map((label) => label[1]).sort() });
  }
  return found;
}

/** promtool of Debian's package "prometheus"; undefined: not installed. */
export function promtool(args: string[], options: { cwd?: string; input?: string } = {}): { code: number | null; output: string } | undefined {
  const done = spawnSync('promtool', args, { encoding: 'utf8', timeout: 120_000, ...options });
  if ((done.error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    assert.notEqual(process.env.TEST_REQUIRE_ALL, '1', 'promtool is not installed; see script/install --test');
    return undefined;
  }
  return { code: done.status, output: done.stdout + done.stderr };
}

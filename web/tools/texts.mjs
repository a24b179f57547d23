// Every text of the source that is shown to people: what `t('...')` is called with, and titles in tables of kinds.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path);
    return /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name) && !path.includes('i18n') ? [path] : [];
  });
}

export function texts(root) {
  const found = new Set();
  for (const file of files(root)) {
    const source = readFileSync(file, 'utf8');
    for (const match of source.matchAll(/\bt\(\s*'((?:[^'\\]|\\.)*)'/g)) found.add(match[1].replace(/\\'/g, "'"));
    // Tables of kinds: titles and hints are translated where they are shown.
    if (/registry|interfaces|filters\.ts|errors\.ts|Roles\.tsx|BlockSettings|Users\.tsx/.test(file)) {
      for (const match of source.matchAll(/\b(?:title|hint|group|label): '((?:[^'\\]|\\.)+)'/g))
        found.add(match[1].replace(/\\'/g, "'"));
    }
    if (/errors\.ts$/.test(file))
      for (const match of source.matchAll(/^ {2}[A-Z_]+: '((?:[^'\\]|\\.)+)'/gm)) found.add(match[1]);
    if (/BlockSettings|Roles\.tsx|filters\.ts/.test(file))
      for (const match of source.matchAll(/^ {2}\w+: '((?:[^'\\]|\\.)+)',?$/gm)) found.add(match[1]);
    if (/Roles\.tsx/.test(file)) for (const name of ['View', 'Add', 'Edit', 'Delete']) found.add(name);
  }
  return [...found].sort();
}
if (process.argv[1]?.endsWith('texts.mjs')) console.log(texts(process.argv[2] ?? 'src').join('\n'));

// What a browser loads before anything is shown (the start page and everything it imports) may be 350 KB compressed.
import { readFileSync, statSync } from 'node:fs';

const limit = 350 * 1024;
const root = process.argv[2] ?? 'dist';
const manifest = JSON.parse(readFileSync(`${root}/.vite/manifest.json`, 'utf8'));
const files = new Set(['index.html']);
const visit = (name) => {
  const chunk = manifest[name];
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const next of chunk.imports ?? []) visit(next);
};
visit('index.html');
const sizeOf = (file, ending) => {
  try {
    return statSync(`${root}/${file}${ending}`).size;
  } catch {
    return statSync(`${root}/${file}`).size;
  }
};
const total = (ending) => [...files].reduce((sum, file) => sum + sizeOf(file, ending), 0);
for (const ending of ['.br', '.gz'])
  console.log(`shell ${ending}: ${Math.round(total(ending) / 1024)} KB in ${files.size} files`);
if (total('.gz') > limit) {
  console.error(`the shell is over ${limit / 1024} KB: split it, or load what is not needed at once later`);
  process.exit(1);
}

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vitest/config';

// Writes x.br and x.gz beside every text file, so that neither halcyon nor nginx compresses at run time.
function precompress(): Plugin {
  const each = (folder: string, visit: (file: string) => void) => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) each(path, visit);
      else if (/\.(js|css|html|svg|json)$/.test(name)) visit(path);
    }
  };
  let folder = 'dist';
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      each(folder, (file) => {
        const text = readFileSync(file);
        if (text.length < 1024) return;
        // Quality 9 costs a fifth of the time of 11 and a few per cent of the size.
        writeFileSync(`${file}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
        writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
      });
    },
  };
}

const server = process.env.HALCYON_URL ?? 'http://127.0.0.1:13000';

export default defineConfig({
  plugins: [react(), precompress()],
  server: { proxy: { '/api': server, '/ws': { target: server, ws: true }, '/files': server } },
  build: {
    target: 'es2022',
    manifest: true,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
  },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
});

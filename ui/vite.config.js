// How the pages are built: `vite build` writes hashed files and, beside each that is worth it, the same
// packed by Brotli. `npm run dev` serves them with a floor behind: WATCHFLOOR=http://127.0.0.1:8630.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const floor = process.env.WATCHFLOOR ?? 'http://127.0.0.1:8630';

/** Packs what was written. Fonts are packed already. */
function packed() {
  let folder = '';
  return {
    name: 'packed',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    async closeBundle() {
      for (const name of await readdir(folder, { recursive: true })) {
        const path = join(folder, name);
        if (!(await stat(path)).isFile() || !/\.(html|js|css|svg)$/.test(name)) continue;
        const plain = await readFile(path);
        const small = brotliCompressSync(plain, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
        });
        if (small.length < plain.length * 0.9) await writeFile(`${path}.br`, small);
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), packed()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': { target: floor, secure: false } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});

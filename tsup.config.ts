import { defineConfig } from 'tsup'

export default defineConfig({
  entry: { main: 'src/main.ts' },
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  outDir: 'dist',
  clean: true,
  // The plugin's root file system carries no node_modules but koffi, which loads a library of its own: all else goes into
  // the one file.
  noExternal: [/^(?!koffi$)/],
  minify: true,
  sourcemap: true,
})

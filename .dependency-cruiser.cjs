/** The layers of ARCHITECTURE.md: docker/ -> driver/ <- adapters/; main.ts alone knows everyone. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'docker-knows-the-driver-only',
      severity: 'error',
      from: { path: '^src/docker/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(docker/|driver/|(errors|log)\\.ts$)' },
    },
    {
      name: 'driver-knows-no-technology',
      severity: 'error',
      from: { path: '^src/driver/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(driver/|(errors|log)\\.ts$)' },
    },
    {
      name: 'driver-uses-no-platform',
      severity: 'error',
      from: { path: '^src/driver/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(net|crypto|util|timers/promises)$' },
    },
    {
      name: 'adapters-know-no-docker',
      severity: 'error',
      from: { path: '^src/(adapters|embedded)/' },
      to: { path: '^src/(docker/|main\\.ts$)' },
    },
    {
      name: 'ovsdb-stands-alone',
      severity: 'error',
      from: { path: '^src/adapters/ovsdb/' },
      to: { path: '^src/', pathNot: '^src/adapters/ovsdb/' },
    },
    {
      name: 'source-imports-no-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-development-packages-in-source',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
}
